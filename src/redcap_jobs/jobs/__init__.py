"""The jobs, one file each, all pure: no network, no disk, no clock, no environment."""
