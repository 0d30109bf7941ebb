from streaming.membership import Membership
from streaming.moments import unwatched
from vitrine.settings import Stream


def test_all_that_a_member_still_finishes_when_it_leaves_shares_one_deadline():
    member = Membership(Stream(drain_s=20), unwatched)
    member.leave()
    first = member.drained_by_s()
    member.leave()
    assert member.drained_by_s() == first


def test_each_rebalance_has_a_deadline_of_its_own():
    member = Membership(Stream(drain_s=20), unwatched)
    assert member.drained_by_s() < member.drained_by_s()
