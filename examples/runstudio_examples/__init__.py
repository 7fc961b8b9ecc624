"""A shop on Run Studio: workflows, actions, and the partners they talk to, all on this machine."""
