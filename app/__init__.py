"""The rewards platform's application. ARCHITECTURE.md describes its packages, CONTRIBUTING.md how to add one."""
