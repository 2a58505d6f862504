// The storage class "shared": every claim gets a directory under one folder that all nodes see,
// so that ReadWriteMany is real. Both nodes of the bare cluster are one machine, so any folder will do.
package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

type sharedFolder struct{ root string }

// Provision makes the claim's directory, open to pods of any user ID.
func (s sharedFolder) Provision(_ context.Context, options controller.ProvisionOptions) (*core.PersistentVolume, controller.ProvisioningState, error) {
	claim := options.PVC
	path := filepath.Join(s.root, claim.Namespace+"_"+claim.Name+"_"+string(claim.UID))
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	if err := os.Chmod(path, 0o777); err != nil { // MkdirAll obeys the umask
		return nil, controller.ProvisioningFinished, err
	}
	directory := core.HostPathDirectory // a lost folder is an error, not an empty volume
	return &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: options.PVName},
		Spec: core.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      core.ResourceList{core.ResourceStorage: claim.Spec.Resources.Requests[core.ResourceStorage]},
			PersistentVolumeSource: core.PersistentVolumeSource{
				HostPath: &core.HostPathVolumeSource{Path: path, Type: &directory},
			},
		},
	}, controller.ProvisioningFinished, nil
}

// Delete removes the directory with what is in it.
func (s sharedFolder) Delete(_ context.Context, volume *core.PersistentVolume) error {
	return os.RemoveAll(filepath.Join(s.root, filepath.Base(volume.Spec.HostPath.Path)))
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server; empty inside a pod")
	name := flag.String("name", "", "the provisioner field of the storage class")
	root := flag.String("root", "", "the folder that all nodes see")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.Fatal(err)
	}
	ctx := context.Background()
	client := kubernetes.NewForConfigOrDie(config)
	controller.NewProvisionController(ctx, client, *name, sharedFolder{*root}, controller.LeaderElection(false)).Run(ctx)
}
