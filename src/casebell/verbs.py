"""What can be seen and done with a runtime: every verb, wired.

`app` and `cli/local_service.py` add the verbs that need a server, or stand in for one.
"""

from collections.abc import Mapping, Sequence

from casebell.runtime import Runtime
from casebell.service import Verb
from casebell.service.accounts import Accounts
from casebell.service.arrivals import ArrivalReading
from casebell.service.cases import CaseReading
from casebell.service.completeness import CompletenessReading
from casebell.service.exporting import Exporting
from casebell.service.following_up import FollowingUp
from casebell.service.operations import Operations
from casebell.service.outcomes import OutcomeReport
from casebell.service.own_account import OwnAccount
from casebell.service.owners import OwnerReading
from casebell.service.people_directory import PeopleDirectory
from casebell.service.queue_reading import QueueReading
from casebell.service.reading import Reading
from casebell.service.reconciling import Reconciling
from casebell.service.registering import Registering
from casebell.service.rules import RuleReading
from casebell.service.second_factor import SecondFactor
from casebell.service.standing import Standing
from casebell.service.tokens import Tokens
from casebell.service.upstreams import Upstreams
from casebell.service.waits_in_words import WaitsInWords


def verbs_of(runtime: Runtime) -> Sequence[Mapping[str, Verb]]:
    """By name, the verbs of each part of the service."""
    store, clock, in_force = runtime.store, runtime.clock, runtime.in_force
    settings, people = in_force.settings, in_force.people
    access, passwords, connections = runtime.access, runtime.passwords, runtime.connections
    parts = (
        Reading(store=store, settings=settings, clock=clock),
        CaseReading(store=store, people=people, waits=WaitsInWords(settings=settings, clock=clock)),
        runtime.case_directory,
        QueueReading(store=store, people=people),
        FollowingUp(store=store, settings=settings, clock=clock),
        OwnerReading(store=store, people=people, clock=clock),
        CompletenessReading(store=store, settings=settings),
        ArrivalReading(store=store, settings=settings, clock=clock),
        Standing(
            store=store,
            settings=settings,
            targets=lambda: in_force.channels().known_targets(),
            paused_until=runtime.dispatcher.paused_until,
            servers=runtime.liveness.living,
        ),
        Upstreams(store=store, settings=settings, connections=connections, clock=clock),
        Registering(store=store, settings=settings, connections=connections, clock=clock),
        Reconciling(store=store, settings=settings, reconciler=runtime.reconciler, clock=clock),
        RuleReading(settings=settings),
        OutcomeReport(store=store, settings=settings, clock=clock),
        Exporting(store=store, settings=settings, clock=clock),
        Operations(
            store=store,
            settings=settings,
            dispatcher=runtime.dispatcher,
            event_log=runtime.event_log,
            clock=clock,
            changed=runtime.changed,
        ),
        PeopleDirectory(
            store=store, settings=settings, roster=lambda: in_force.channels().roster, clock=clock
        ),
        Tokens(store=store, people=people, clock=clock),
        Accounts(store=store, settings=settings, passwords=passwords, clock=clock),
        SecondFactor(store=store, access=access, settings=settings, clock=clock),
        OwnAccount(store=store, access=access, passwords=passwords, settings=settings, clock=clock),
        runtime.feeds,
    )
    return [part.verbs() for part in parts]
