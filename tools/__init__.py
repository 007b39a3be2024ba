"""Programs for people who work on this project: pages made from the code, previews of the stack, the cloud demo."""
