"""The rewards platform's application: README.md says what each package is for, CONTRIBUTING.md how one is written."""
