"""Processes are killed while they embed: the job ends right, and nothing is there twice."""

import os
import signal

import psutil
import pytest

pytestmark = pytest.mark.timeout(900)

CLUSTER = "local-cluster[2,1,2048]"


@pytest.mark.slow
def test_a_python_worker_is_killed_within_a_unit(job) -> None:
    job.start(CLUSTER, {"hold": [0, 1]})
    victim, other = job.await_attempts((0, 0), (1, 0))
    os.kill(victim.pid, signal.SIGKILL)
    (second,) = job.await_attempts((0, 1))
    assert second.pid not in (victim.pid, other.pid)
    job.go()
    job.check()
    assert [(one.unit, one.number) for one in job.attempts() if not one.ended] == [(0, 0)]


@pytest.mark.slow
def test_an_executor_is_killed_within_a_unit(job) -> None:
    job.start(CLUSTER, {"hold": [0, 1]})
    victim, other = job.await_attempts((0, 0), (1, 0))
    killed = victim.executor
    assert killed != other.executor
    os.kill(killed, signal.SIGKILL)
    (second,) = job.await_attempts((0, 1))
    assert second.executor != killed
    job.go()
    job.check()
    assert [(one.unit, one.number) for one in job.attempts() if not one.ended] == [(0, 0)]


@pytest.mark.slow
def test_a_worker_is_lost_after_its_unit_was_committed(job) -> None:
    job.start("local[2]", {"dies_committed": [0]})
    job.check()
    first, second = [attempt for attempt in job.attempts() if attempt.unit == 0]
    assert (first.number, first.committed, first.ended) == (0, False, True)
    assert (second.number, second.committed, second.ended) == (1, True, True)


@pytest.mark.slow
def test_a_unit_that_always_loses_its_worker_ends_the_job_which_goes_on_later(job) -> None:
    job.start("local[2]", {"dies": [5]})
    line = job.check_refused()
    assert "failed 4 times" in line
    assert "the same --run goes on" in line
    done = {attempt.unit for attempt in job.attempts() if attempt.ended}
    assert done
    job.go()
    job.start("local[2]", {"dies": [5]})
    job.check()


@pytest.mark.slow
def test_a_cluster_that_loses_all_executors_ends_the_job_which_goes_on_later(job, cluster) -> None:
    small = cluster("127.0.0.1")
    patience = {"scheduler_maxRegisteredResourcesWaitingTime": "5s"}
    job.start(small.url, {"hold": [5]}, executor_cores="2", cores_max="2", **patience)
    (held,) = job.await_attempts((5, 0))
    small.processes[-1].kill()
    os.kill(held.executor, signal.SIGKILL)
    assert "no executor for 5 s" in job.check_refused()
    job.go()
    job.start("local[2]", {})
    job.check()


@pytest.mark.slow
def test_of_two_attempts_at_a_slow_unit_one_counts(job, cluster) -> None:
    # Spark starts a second attempt only on another host.
    two = cluster("127.0.0.1", "127.0.0.2")
    eager = {"speculation_interval": "100ms", "speculation_quantile": "0.5", "speculation_multiplier": "1.1"}
    job.start(two.url, {"hold": [0]}, speculation="true", executor_cores="1", cores_max="2", **eager)
    first, second = job.await_attempts((0, 0), (0, 1))
    assert first.executor != second.executor
    job.go()
    job.check()


@pytest.mark.slow
def test_the_loss_of_sparks_own_process_ends_the_job_which_goes_on_later(job) -> None:
    driver = job.start("local[2]", {"hold": [5]})
    job.await_attempts((5, 0))
    (jvm,) = [child for child in psutil.Process(driver.pid).children() if child.name() == "java"]
    jvm.kill()
    assert driver.wait(240) == 1
    (line,) = [line for line in job.errors().splitlines() if line.startswith("vitrine: ")]
    assert "Spark's own process has ended" in line
    job.go()
    job.start("local[2]", {})
    job.check()
