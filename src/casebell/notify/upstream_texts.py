"""What operations, and owners of cases, are told of what the upstream's APIs said."""

from collections.abc import Mapping

from casebell.ops_messages import (
    CasesNotLookedAt,
    ChangesMissed,
    FirstLooks,
    FirstLooksOfOwner,
    OpsMessage,
    ReconciliationWaits,
    UpstreamFails,
    UpstreamWorks,
)

#: As `render_ops.OPS_TEXTS`.
UPSTREAM_TEXTS: Mapping[type[OpsMessage], tuple[str, tuple[str, ...]]] = {
    FirstLooks: (
        "First look at cases: {asking} ask for something",
        (
            "{cases} cases were looked at for the first time; {asking} ask for something.",
            "The API {upstream} told of them. Their history is kept, and alerted nobody.",
            "What asks for something waits in the queue. The first: {first}.",
            "Owners who can be told by name hear of theirs. Without such an owner: {unowned}.",
            "See all: casebell queue list",
        ),
    ),
    FirstLooksOfOwner: (
        "First look at your cases: {asking} ask for something",
        (
            "Your cases were looked at for the first time; {asking} of them ask for something.",
            "You may have known it for long: Casebell did not know of it before.",
            "They are: {first}.",
            "They wait in the queue, until they are acknowledged or answered.",
        ),
    ),
    ChangesMissed: (
        "Webhooks of {source} miss changes",
        (
            "{found} changes of {source} came by no webhook: the API {upstream} told of them.",
            "Webhooks brought {delivered} since {since}.",
            "Each was alerted as found by reconciliation, as late as the API was asked.",
            "See what was found: casebell events list --source {source}",
            "See whether deliveries are refused: casebell refused list --source {source}",
            "See whether it can reach this server: casebell doctor, and your proxy's log.",
            "Ask the provider whether the subscription has this address and every type.",
        ),
    ),
    CasesNotLookedAt: (
        "{newly} cases could not be looked at",
        (
            "The API {upstream} tells nothing of {newly} cases more than before; {failed} in all.",
            "The first: {first}. {why}",
            "They are asked for again with the next reconciliation.",
            "Until then, look them up at USCIS yourself. See which: casebell upstream status",
        ),
    ),
    ReconciliationWaits: (
        "Not every case was looked at today",
        (
            "{left} cases are left that the API {upstream} was not asked of. The next is {first}.",
            "{why}",
            "By itself it goes on then, if `reconcile` is set; else: casebell upstream reconcile",
            "See how far it is: casebell upstream status",
        ),
    ),
    UpstreamFails: (
        "The API {upstream} cannot be asked",
        (
            "{why}",
            "{hint}",
            "What no webhook delivers is not known until it can. It is tried again by itself.",
            "Try it now: casebell upstream reconcile",
        ),
    ),
    UpstreamWorks: (
        "The API {upstream} can be asked again",
        ("The API {upstream} answers again. It had failed since {failed}.",),
    ),
}
#: Those that are for the people of cases.
FOR_OWNERS = (FirstLooksOfOwner,)
