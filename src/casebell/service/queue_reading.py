"""The queue: the changes that ask for something and are not answered."""

from collections.abc import Callable, Mapping

from casebell.actors import Actor, Role
from casebell.errors import BadArgument
from casebell.people.identity import People, known, named
from casebell.service import Verb
from casebell.service.filters import queue_filter
from casebell.service.followed import Followed
from casebell.service.listing import Listing, listing_of, page_for
from casebell.store.engine import Store


class QueueReading:
    """The verb.

    Args:
        people: returns who can be told by name.
        paged: whether an answer has at most a page, and says in `next` where it goes on.
    """

    def __init__(self, *, store: Store, people: Callable[[], People], paged: bool = True) -> None:
        self._store = store
        self._people = people
        self._paged = paged

    def verbs(self) -> Mapping[str, Verb]:
        """By name."""
        return {"list_queue": self.list_queue}

    async def list_queue(
        self,
        *,
        mine: bool = False,
        person: str | None = None,
        by_date: bool = False,
        limit: int,
        cursor: str | None = None,
        actor: Actor,
        **filters: str | None,
    ) -> Listing:
        """The open changes, the newest first.

        Args:
            mine: only of cases of which the actor is the owner, or of the team.
            person: the same of somebody else, by id, name or e-mail address.
            by_date: the soonest date that a person typed first; then those without one, the oldest
                first.
            filters: `receipt`, and `owner` and `team` in any spelling.

        Raises:
            BadArgument: a filter cannot be understood, or it is not known who the actor is.
        """
        people = self._people()
        where = queue_filter(
            filters,
            actor=actor,
            of=self._whose(actor, mine=mine, person=person),
            by_date=by_date,
            people=people,
        )
        async with self._store.read() as connection:
            page = await page_for(connection, where, limit=limit, cursor=cursor, paged=self._paged)
            numbers = [row.change_id for row in page.rows]
            followed = await Followed.of(connection, numbers, people=people)
        return await listing_of(page, followed.row)

    def _whose(self, actor: Actor, *, mine: bool, person: str | None) -> Actor | None:
        """Whose cases are meant; None for all."""
        people = self._people()
        if person is not None:
            found = named(person, people)
            if found is None:
                raise BadArgument(
                    f"Nobody in the configuration is “{person}”: `casebell people list` shows "
                    "everybody.",
                    argument="person",
                )
            return known(Actor(name="person", role=Role.VIEWER, person=found.id), people)
        if not mine:
            return None
        if actor.person is None:
            raise BadArgument(
                "Whose cases are yours is not known: an admin says with `--person` of the token or "
                "the account who you are.",
                argument="mine",
            )
        return actor
