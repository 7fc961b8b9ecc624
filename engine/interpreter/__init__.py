"""The sans-IO state machine that executes a Plan. Pure: no Temporal, no SQL, no clock of its own."""
