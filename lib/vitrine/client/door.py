"""The client: what programs ask a shop."""

from collections.abc import Sequence

from vitrine.client import asking, nearby, recommending, searching
from vitrine.client.answer import Answer, Embedded
from vitrine.client.categorising import Guess
from vitrine.client.opened import Opened
from vitrine.client.query import Example, Picture, Query
from vitrine.client.sight import Sight
from vitrine.client.wishes import Recommendation, Wishes
from vitrine.embedding import Embedder, Vectors
from vitrine.errors import BadInput, ModelMismatch
from vitrine.index.collections import Collection
from vitrine.index.filters import Filters, both
from vitrine.index.search import Hit

TASTE_WEIGHT = 0.3
"""What a user's taste counts against the picture that is searched with."""
EVERYTHING = Filters()
ANY = Wishes()


class Client(Opened):
    """Answers from what the aliases serve, each product once, best first. Close it, or use it in a `with` statement.

    Threads may share it. Every call ends in about `deadline_s` (what the network computes then is waited for), reads
    a second time what failed to be read, within that time, and raises Unavailable where that fails too.

    `embedder` gives the embedder of a model id; it is asked only when a picture must be embedded. `user` is always
    the hash that `vitrine.user_key` makes, never an id; a user that is not known gets what everybody gets.
    `related_alias` and `users_alias` need not exist.
    """

    def find(self, query: Query, *, embedded: Embedded | None = None) -> Answer:
        """The answer to a query, from one collection as a whole; `embedded` are its pictures, if they are vectors.

        Raises:
            BadRecord: a picture cannot be used, with the reason.
            UnknownProduct: an example is a product or picture that is not stored.
            StaleCursor: the cursor is of another query, or of a collection that is gone.
            ModelMismatch: what is served is of a model that is found nowhere, and one of another is ready.
            NotThere: the collection of `embedded` was dropped, and what is served is of another model: embed again.
        """
        return self._seeing(searching.Search([query], [embedded], self._limits).answers)[0]

    def find_many(self, queries: Sequence[Query]) -> list[Answer]:
        """`find` for each, in their order; pictures are embedded together, and searched for together."""
        return self._seeing(searching.Search(queries, [None] * len(queries), self._limits).answers)

    def target(self, query: Query) -> Collection:
        """The collection that `find` would answer from just now; its `facts.model_id` says how to embed.

        Raises:
            StaleCursor, ModelMismatch: as `find`.
        """
        return self._seeing(lambda sight: searching.target(sight, query))

    def pictures(self, query: Query) -> tuple[bytes, ...]:
        """What must be embedded for a query: the bytes of each example that is a picture, boxes cut out.

        Raises:
            BadInput: a file cannot be read.
            BadRecord: a picture to cut from cannot be used, with the reason.
        """
        return asking.pictures(query, self._limits)

    def embedder(self, collection: Collection) -> Embedder:
        """The embedder of the collection's model; threads share it.

        Raises:
            BadInput: the model is found nowhere.
            Unavailable: it is still being loaded.
        """
        return self._seeing(lambda sight: sight.embedder(collection))

    def embed(self, query: Query) -> Embedded:
        """The pictures of a query as vectors for `find`.

        Raises:
            BadRecord: one cannot be used, with the reason.
        """
        data, collection = self.pictures(query), self.target(query)
        return Embedded(collection, asking.embedded(self.embedder(collection), data))

    def categorise(self, picture: Picture | Example, *, embedded: Embedded | None = None) -> Guess:
        """What a picture shows: the vote of the products that look most like it.

        Raises:
            BadRecord: the picture cannot be used, with the reason.
        """
        example = picture if isinstance(picture, Example) else Example(picture=picture)
        guess = self.find(Query((example,), k=1), embedded=embedded).guess
        if guess is None:
            raise BadInput("only a picture can be categorised: a stored product has its category")
        return guess

    def product(self, product_id: str) -> list[Hit]:
        """The pictures of a stored product, by position, each with the score 1.

        Raises:
            UnknownProduct: it has no rows.
        """
        return self._seeing(lambda sight: nearby.pictures_of(sight, product_id))

    def image(self, image_id: str) -> Hit:
        """A stored picture with its product, with the score 1.

        Raises:
            UnknownProduct: it is not stored.
        """
        return self._seeing(lambda sight: nearby.picture(sight, image_id))

    def ready(self) -> Collection:
        """What is served, once it has answered a search and its model is there: a client that is ready answers fast.

        Raises:
            BadInput: nothing is served, or its model is found nowhere.
            Unavailable: the database or the model is not ready.
        """
        return self._seeing(nearby.rehearse)

    def search_vector(
        self,
        vector: Vectors,
        k: int = 10,
        *,
        filters: Filters = EVERYTHING,
        expression: str = "",
        model_id: str | None = None,
        user: str | None = None,
        taste_weight: float = TASTE_WEIGHT,
    ) -> list[Hit]:
        """The `k` products nearest to a (dim,) vector; `model_id` says which model made it.

        `expression` is a filter in Milvus' own language that must hold too: never fill it with what users wrote. With
        a `user`, the nearest max(50, 4 k) are put into the order of their taste: by `(1 - taste_weight) * score +
        taste_weight * (cosine with the taste)`, `taste_weight` from 0 to 1; scores stay cosines with the vector.

        Raises:
            ModelMismatch: the collection's vectors, or the user's taste, are of another model.
            BadInput: the vector has another dimension than the collection.
        """

        def attempt(sight: Sight) -> list[Hit]:
            collection = sight.products()
            if model_id not in {None, collection.facts.model_id}:
                raise ModelMismatch(collection.name, found=collection.facts.model_id, wanted=str(model_id))
            return nearby.nearest_to(sight, collection, vector, k, wanted, taste)

        wanted, taste = both(filters.expression, expression), nearby.Taste(user, taste_weight)
        return self._seeing(attempt)

    def search_picture(
        self,
        picture: Picture,
        k: int = 10,
        *,
        filters: Filters = EVERYTHING,
        expression: str = "",
        user: str | None = None,
        taste_weight: float = TASTE_WEIGHT,
    ) -> list[Hit]:
        """The `k` products that look most like a picture: bytes, a file, or one that Pillow opened.

        The rest is as in `search_vector`. The collection that is served when the search begins also answers it,
        whatever the alias does meanwhile.

        Raises:
            ModelMismatch: the user's taste is of another model than the collection, or as `find`.
            BadRecord: the picture cannot be used, with the reason.
            BadInput: the file cannot be read, or the collection's model is found nowhere.
        """

        def attempt(sight: Sight) -> list[Hit]:
            collection = sight.embeddable()
            [vector] = asking.embedded(sight.embedder(collection), [data])
            return nearby.nearest_to(sight, collection, vector, k, wanted, taste)

        data = asking.picture_bytes(picture)
        wanted, taste = both(filters.expression, expression), nearby.Taste(user, taste_weight)
        return self._seeing(attempt)

    def search_product(
        self, product_id: str, k: int = 10, *, filters: Filters = EVERYTHING, expression: str = ""
    ) -> list[Hit]:
        """The `k` products that look most like a stored one, without itself; needs no model.

        Each of its pictures asks; a product's best answer counts.

        Raises:
            UnknownProduct: the product has no rows.
        """
        wanted = both(filters.expression, expression)
        return self._seeing(lambda sight: nearby.like_product(sight, product_id, k, wanted))

    def related(self, product_id: str, k: int = 10, *, wishes: Wishes = ANY) -> list[Recommendation]:
        """The `k` products that go with one, best first: bought together, alike, then popular in its category.

        See `vitrine.blend.blend` for the scores. A product of which no behaviour is known has its looks alone, and so
        has every product where there is no alias for what is bought together. Only served products are answered.

        Raises:
            UnknownProduct: nothing is known of the product.
        """
        return self._seeing(lambda sight: recommending.related(sight.shop(), product_id, k, wishes))

    def recommend(
        self, k: int = 10, *, recent: Sequence[str] = (), user: str | None = None, wishes: Wishes = ANY
    ) -> list[Recommendation]:
        """The `k` products for a session, given by its `recent` products with the newest last, or else for a `user`.

        Of a session each product counts `wishes.decay` times the next newer one, and none is answered; no job runs.
        What a user gets may look like products they have. Empty where nothing is known.

        Raises:
            BadInput: both are given, or none.
        """
        if bool(recent) == (user is not None):
            raise BadInput("recommend takes either recent products or a user")
        if user is None:
            return self._seeing(lambda sight: recommending.for_session(sight.shop(), recent, k, wishes))
        return self._seeing(lambda sight: recommending.for_user(sight.shop(), user, k, wishes))

    def substitutes(
        self, product_id: str, k: int = 10, *, price_band: tuple[float, float] | None = None
    ) -> list[Recommendation]:
        """The `k` products in stock that look most like one, those of its category first; scores are cosines.

        Raises:
            UnknownProduct: the product has no rows.
        """
        return self._seeing(lambda sight: recommending.substitutes(sight.shop(), product_id, k, price_band=price_band))
