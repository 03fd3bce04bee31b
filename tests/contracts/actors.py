"""Who asks, in tests."""

from casebell.actors import Actor, Role


def an_actor(
    name: str, *, role: Role = Role.ADMIN, by: str | None = None, person: str | None = None
) -> Actor:
    """Somebody of this name in the journal."""
    return Actor(name=name, role=role, by=by, person=person)


#: Somebody who may see and do everything.
ADMIN = an_actor("user:ana")
