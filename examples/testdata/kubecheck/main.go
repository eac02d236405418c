// Command kubecheck reads manifests of Kubernetes as its API server would: by its own types, and with nothing in them that these
// do not know. It is a module of its own, so that the gateway does not depend on Kubernetes.
package main

import (
	"bytes"
	"fmt"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

var kinds = map[string]func() any{
	"v1/ConfigMap": func() any { return new(corev1.ConfigMap) }, "v1/Service": func() any { return new(corev1.Service) },
	"v1/ServiceAccount": func() any { return new(corev1.ServiceAccount) }, "v1/Secret": func() any { return new(corev1.Secret) },
	"apps/v1/StatefulSet": func() any { return new(appsv1.StatefulSet) }, "apps/v1/Deployment": func() any { return new(appsv1.Deployment) },
	"policy/v1/PodDisruptionBudget": func() any { return new(policyv1.PodDisruptionBudget) },
}

func main() {
	bad := false
	for _, file := range os.Args[1:] {
		text, err := os.ReadFile(file)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		for _, doc := range bytes.Split(text, []byte("\n---\n")) {
			var head struct{ APIVersion, Kind string }
			if err := yaml.Unmarshal(doc, &head); err != nil {
				fmt.Printf("%s: %v\n", file, err)
				bad = true
				continue
			}
			make, ok := kinds[head.APIVersion+"/"+head.Kind]
			if !ok {
				fmt.Printf("%s: %s %s is not known here\n", file, head.APIVersion, head.Kind)
				bad = true
				continue
			}
			if err := yaml.UnmarshalStrict(doc, make()); err != nil {
				fmt.Printf("%s: %s: %v\n", file, head.Kind, err)
				bad = true
				continue
			}
			fmt.Printf("%s: %s is right\n", file, head.Kind)
		}
	}
	if bad {
		os.Exit(1)
	}
}
