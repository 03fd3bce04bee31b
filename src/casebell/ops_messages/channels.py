"""Messages to operations on channels, on alerts that these could not deliver, and on tests."""

from types import MappingProxyType

from casebell.ops_messages.base import Frequency, OfCase, OpsMessage


class ChannelFailed(OpsMessage, frozen=True, kw_only=True, tag="channel_failed"):
    """A channel could not deliver an alert that another takes over, or that is not urgent."""

    frequency = Frequency.HOURLY

    channel: str
    target: str
    reason: str
    detail: str
    alert: int
    alert_is_urgent: bool

    @property
    def key(self) -> str:
        """A target and a reason, however many alerts fail."""
        return f"{self.channel}:{self.target}:{self.reason}"

    @property
    def urgent(self) -> bool:
        """As the alert is."""
        return self.alert_is_urgent


class ChannelGone(OpsMessage, frozen=True, kw_only=True, tag="channel_gone"):
    """Alerts waited for a channel that the configuration no longer has."""

    frequency = Frequency.HOURLY

    channel: str
    alert: int
    alert_is_urgent: bool

    @property
    def key(self) -> str:
        """The channel."""
        return self.channel

    @property
    def urgent(self) -> bool:
        """As the alert is."""
        return self.alert_is_urgent


class UrgentAlertFailed(OfCase, frozen=True, kw_only=True, tag="urgent_failed"):
    """An urgent alert could not be delivered, and no other channel takes it over."""

    unsaid = MappingProxyType({"about": "A confidential case has news"})

    channel: str
    target: str
    reason: str
    detail: str
    alert: int
    #: What the alert was about, in words that may go to operations.
    about: str

    @property
    def key(self) -> str:
        """The alert."""
        return str(self.alert)

    @property
    def urgent(self) -> bool:
        """Yes: operations must tell the people themselves."""
        return True


class ChannelTest(OpsMessage, frozen=True, kw_only=True, tag="test"):
    """A marked test message that an operator asked for."""

    channel: str
    #: What makes this test one of its own.
    id: str

    @property
    def key(self) -> str:
        """The test."""
        return self.id


class SelfTest(OpsMessage, frozen=True, kw_only=True, tag="self_test"):
    """A marked test message that Casebell sends by itself, where nothing was sent for long."""

    channel: str
    #: "30 days": the `self_test` of the channel.
    silent_for: str
    #: The same for every server and for all of one period, and for no other.
    id: str

    @property
    def key(self) -> str:
        """The test."""
        return self.id


class SelfTestFailed(OpsMessage, frozen=True, kw_only=True, tag="self_test_failed"):
    """A test message that Casebell sent by itself did not arrive."""

    channel: str
    target: str
    reason: str
    detail: str
    alert: int

    @property
    def key(self) -> str:
        """The test, of one target."""
        return str(self.alert)
