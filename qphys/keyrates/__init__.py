"""Detection statistics to sifted counts to secret key, one file a protocol. Knows nothing of the physics before the file."""

from __future__ import annotations

from qphys.keyrates.analyze import (
    PROTOCOLS,
    analyze,
    analyze_over_time,
    heading,
    key_against_threshold,
    rows,
    rows_by_construction,
    rows_by_proof,
    settings_of,
    unproven_effects,
)
from qphys.keyrates.decoy_bb84 import block_epsilons, key_bases, with_proof
from qphys.keyrates.lengths import FixedLength, best_fixed_length, length_rows
from qphys.keyrates.numerical_files import NumericalSettings, is_statistics, keyrate_of_statistics, rows_against
from qphys.keyrates.numerical_files import rows as numerical_rows
from qphys.keyrates.profile import Profile, profile
from qphys.keyrates.proofs import PROOFS, Proof
from qphys.keyrates.protocol_files import keyrate, keyrate_rows
from qphys.keyrates.selection import Parts, Selection
from qphys.keyrates.settings import AnalysisSettings, settings_from
from qphys.keyrates.sweeps import Best, best_of_sweep
from qphys.keyrates.table import status_names

__all__ = [
    "PROOFS",
    "PROTOCOLS",
    "AnalysisSettings",
    "Best",
    "FixedLength",
    "NumericalSettings",
    "Parts",
    "Profile",
    "Proof",
    "Selection",
    "analyze",
    "analyze_over_time",
    "best_fixed_length",
    "best_of_sweep",
    "block_epsilons",
    "heading",
    "is_statistics",
    "key_against_threshold",
    "key_bases",
    "keyrate",
    "keyrate_of_statistics",
    "keyrate_rows",
    "length_rows",
    "numerical_rows",
    "profile",
    "rows",
    "rows_against",
    "rows_by_construction",
    "rows_by_proof",
    "settings_from",
    "settings_of",
    "status_names",
    "unproven_effects",
    "with_proof",
]
