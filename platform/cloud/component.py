"""The base class of all Pulumi components."""

import pulumi


class Component(pulumi.ComponentResource):
    """A Pulumi component of type `rewards:<area>:<kind>`; its child resources take the options `self.child`.

    `kind` is the class's name by default. A subclass annotates its outputs in the class's body and ends its constructor
    with `self.publish()`, which registers these outputs.
    """

    def __init__(self, area: str, name: str, opts: pulumi.ResourceOptions | None, kind: str | None = None) -> None:
        super().__init__(f"rewards:{area}:{kind or type(self).__name__}", name, None, opts)
        self.child = pulumi.ResourceOptions(parent=self)

    def kept(self, protect: bool) -> pulumi.ResourceOptions:
        """Returns options for a child resource with data or state; with `protect`, Pulumi refuses to delete it."""
        return pulumi.ResourceOptions(parent=self, protect=protect)

    def publish(self) -> None:
        self.register_outputs({name: getattr(self, name) for name in type(self).__annotations__})
