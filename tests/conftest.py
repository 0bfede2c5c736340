"""Settings of the whole suite."""

from hypothesis import HealthCheck, settings

# Time limits of single examples say more about the machine's load than about the code.
settings.register_profile("midspan", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("midspan")
