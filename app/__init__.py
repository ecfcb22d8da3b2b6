"""The rewards platform's application: see DESIGN in README.md."""
