"""Why a run is not moving: facts from Postgres and Temporal, and the rules that read them."""
