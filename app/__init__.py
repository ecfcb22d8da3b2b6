"""The platform's application: ARCHITECTURE.md says what each package is for, CONTRIBUTING.md how one is written."""
