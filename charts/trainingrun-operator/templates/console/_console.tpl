{{/* The name of every object of the console: trainingrun-console where the operator is trainingrun-operator. */}}
{{- define "trainingrun-operator.consoleName" -}}
{{- $name := include "trainingrun-operator.fullname" . | trimSuffix "-operator" | trunc 55 | trimSuffix "-" -}}
{{- printf "%s-console" $name -}}
{{- end -}}

{{/* Another name than the operator's: who looks for operators must not find it. */}}
{{- define "trainingrun-operator.consoleSelectorLabels" -}}
app.kubernetes.io/name: trainingrun-console
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "trainingrun-operator.consoleLabels" -}}
{{ include "trainingrun-operator.consoleSelectorLabels" . }}
app.kubernetes.io/component: console
app.kubernetes.io/part-of: {{ .Chart.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | replace "+" "_" | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end -}}

{{/* Names by which it is called, besides those of loopback, which port-forward and probes use. */}}
{{- define "trainingrun-operator.consoleHosts" -}}
{{- $name := include "trainingrun-operator.consoleName" . -}}
{{- $service := printf "%s.%s" $name .Release.Namespace -}}
{{- $hosts := list $name $service (printf "%s.svc" $service) (printf "%s.svc.cluster.local" $service) -}}
{{- if .Values.console.ingress.enabled -}}{{- $hosts = append $hosts .Values.console.ingress.host -}}{{- end -}}
{{- join "," (concat $hosts .Values.console.allowedHosts) -}}
{{- end -}}

{{/* What the console may do by itself: each verb is one that it uses, and none of them changes anything. */}}
{{- define "trainingrun-operator.consoleRules" -}}
- apiGroups: [trainingrun.dev]
  resources: [trainingruns]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
# Epochs stand in the log of rank 0.
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [list, watch]
{{- end -}}
