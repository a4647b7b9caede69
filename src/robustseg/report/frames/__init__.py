"""The frames of a report and what each model sees in every state of their sensors."""
