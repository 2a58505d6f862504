{{/* The name of every object of the release: the release's, with the chart's where it does not hold it already. */}}
{{- define "trainingrun-operator.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "trainingrun-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Of the pod of `helm test`, which is no operator and must not be selected as one. */}}
{{- define "trainingrun-operator.testLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "trainingrun-operator.labels" -}}
{{ include "trainingrun-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | replace "+" "_" | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end -}}

{{- define "trainingrun-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "trainingrun-operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* By which a Prometheus finds the operator where no ServiceMonitor says so. */}}
{{- define "trainingrun-operator.scrapeAnnotations" -}}
{{- if and .Values.scrapeAnnotations (not .Values.serviceMonitor.enabled) -}}
prometheus.io/scrape: "true"
prometheus.io/port: "8000"
prometheus.io/path: /metrics
{{- end -}}
{{- end -}}

{{/*
Which training pods are scraped, and whose series they are. A program of the user's own may serve nothing, and a
target that never answers sets off alerts: it is asked where its pods say so by prometheus.io/scrape. The run is
called `trainingrun`, for trainer_metric has a `name` of its own.
*/}}
{{- define "trainingrun-operator.trainerRelabelings" -}}
- sourceLabels:
    - __meta_kubernetes_pod_annotationpresent_trainingrun_dev_config
    - __meta_kubernetes_pod_annotation_prometheus_io_scrape
  regex: true;.*|.*;true
  action: keep
- sourceLabels: [__meta_kubernetes_pod_label_trainingrun_dev_run]
  targetLabel: trainingrun
- sourceLabels: [__meta_kubernetes_pod_label_trainingrun_dev_attempt]
  targetLabel: attempt
- sourceLabels: [__meta_kubernetes_pod_label_batch_kubernetes_io_job_completion_index]
  targetLabel: index
- sourceLabels: [__meta_kubernetes_pod_node_name]
  targetLabel: node
{{- end -}}

{{/* An image reference. Takes a dict of `image` (repository, tag, digest) and `defaultTag`. */}}
{{- define "trainingrun-operator.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (default .defaultTag .image.tag) -}}
{{- end -}}
{{- end -}}

{{/* trainingPods as the operator reads them: what is empty is left out. */}}
{{- define "trainingrun-operator.podDefaults" -}}
{{- $found := dict -}}
{{- range $key, $value := .Values.trainingPods -}}
{{- if $value -}}{{- $_ := set $found $key $value -}}{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/* What the operator may do: each verb is one that it uses. */}}
{{- define "trainingrun-operator.rules" -}}
- apiGroups: [trainingrun.dev]
  resources: [trainingruns]
  verbs: [get, list, watch, delete]
- apiGroups: [trainingrun.dev]
  resources: [trainingruns/status]
  verbs: [update]
# Owner references that block deletion need this where OwnerReferencesPermissionEnforcement is on (OpenShift).
- apiGroups: [trainingrun.dev]
  resources: [trainingruns/finalizers]
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, delete]
- apiGroups: [""]
  resources: [services, persistentvolumeclaims]
  verbs: [get, create]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, list]
# What Kueue says about a queued run, for its message alone; a cluster without Kueue serves no such thing.
- apiGroups: [kueue.x-k8s.io]
  resources: [workloads]
  verbs: [list]
{{- end -}}
