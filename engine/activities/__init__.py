"""What a run does to the world: claim and run a try, write what happened, open waits and children, lease quota."""
