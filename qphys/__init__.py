"""qphys: a quantum-optics physical-layer simulator for satellite and fibre quantum key distribution."""
