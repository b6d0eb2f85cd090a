"""Pictures in scikit-learn's style; matplotlib is loaded when one is drawn."""

from ._audit import AuditDisplay
from ._certificate import CertificateDisplay
from ._forgetting import ForgettingCurveDisplay
from ._influence import InfluenceDisplay

__all__ = ["AuditDisplay", "CertificateDisplay", "ForgettingCurveDisplay", "InfluenceDisplay"]
