"""An import-linter contract: other packages may not import a package's repository, routes and schemas."""

import grimp
from importlinter import Contract, ContractCheck, output

OWN = ("repository", "routes", "schemas")
"""Modules that are called so, or end so: `claims_repository`."""


class Borders(Contract):
    """Forbids imports of another package's repository, routes or schemas; its service and models may be imported."""

    type_name = "borders"

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002  import-linter calls it
        crossings = [
            (importer, module)
            for module in sorted(graph.modules)
            if module.startswith("app.") and module.count(".") > 1 and module.endswith(OWN)
            for importer in sorted(graph.find_modules_that_directly_import(module))
            if importer.split(".")[1] != module.split(".")[1]
        ]
        return ContractCheck(kept=not crossings, metadata={"crossings": crossings})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, module in check.metadata["crossings"]:
            output.print_error(f"{importer} imports {module}: call the service of its package")
