"""The provider for machines without a Docker engine: the Kubernetes binaries themselves, on two nodes."""
