"""Who may see and do what: before every other part of the service.

In a cluster the API server decides, by TokenReview who calls and by SubjectAccessReview what they may; on a
person's machine whoever holds the one-time key acts with the kubeconfig's own rights.
"""

from trainingrun_console.access.caller import Caller, Gate

__all__ = ["Caller", "Gate"]
