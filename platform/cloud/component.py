"""The base class of all components."""

import pulumi


class Component(pulumi.ComponentResource):
    """Its type is `rewards:<area>:<kind>`; children take `self.child`; outputs are the class's annotations.

    `kind` is the class's name unless one class makes several kinds. A subclass ends its constructor with
    `self.publish()`, which registers those outputs once.
    """

    def __init__(self, area: str, name: str, opts: pulumi.ResourceOptions | None, kind: str | None = None) -> None:
        super().__init__(f"rewards:{area}:{kind or type(self).__name__}", name, None, opts)
        self.child = pulumi.ResourceOptions(parent=self)

    def kept(self, protect: bool) -> pulumi.ResourceOptions:
        """Options of a child that holds state: with `protect`, Pulumi refuses to delete it."""
        return pulumi.ResourceOptions(parent=self, protect=protect)

    def publish(self) -> None:
        self.register_outputs({name: getattr(self, name) for name in type(self).__annotations__})
