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
        "First look at cases; these ask for something: {asking}",
        (
            "Looked at for the first time: {cases}. Of these ask for something: {asking}.",
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
            "Changes of {source} that no webhook brought, but the API {upstream} told of: {found}.",
            "Changes that webhooks brought since {since}: {delivered}.",
            "Rules decided each as usual; alerts of them say: found by reconciliation.",
            "See what was found: casebell events list --source {source}",
            "See whether deliveries are refused: casebell refused list --source {source}",
            "See whether it can reach this server: casebell doctor, and your proxy's log.",
            "Ask the provider whether the subscription has this address and every type.",
        ),
    ),
    CasesNotLookedAt: (
        "Cases could not be looked at: {newly}",
        (
            "The API {upstream} tells nothing of some cases. New: {newly}; in all: {failed}.",
            "The first: {first}. {why}",
            "They are asked for again with the next reconciliation.",
            "Until then, look them up at USCIS yourself. See which: casebell upstream status",
            "If it knows none of your cases, see whether `base`, `prefix` and `paths` are right.",
        ),
    ),
    ReconciliationWaits: (
        "Not every case was looked at today",
        (
            "Cases that the API {upstream} was not asked of: {left}. The next is {first}.",
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
            "What no webhook delivers is not known until it can.",
            "It is tried again by itself only where `reconcile` is set.",
            "Try it now: casebell upstream reconcile {upstream}",
        ),
    ),
    UpstreamWorks: (
        "The API {upstream} can be asked again",
        ("The API {upstream} answers again. It had failed since {failed}.",),
    ),
}
#: Those that are for the people of cases.
FOR_OWNERS = (FirstLooksOfOwner,)
