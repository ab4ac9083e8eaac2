// SPDX-License-Identifier: Apache-2.0

// Package statusapply makes the apply configurations with which both programs write status. Each
// program writes its own part by server-side apply under its own field manager. The API server
// keeps the other program's part.
//
// The package sends nothing. The manager applies its configurations with controller-runtime's
// client, the receiver with the small one of internal/kube.
package statusapply

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// The field managers. An endpoint's status.receiver, its conditions Verifying and Delivering, and a
// trigger's status.lastNotification are the receiver's. All else is the manager's.
const (
	Manager  = "cloudinary-operator-manager"
	Receiver = "cloudinary-receiver"
)

// Configuration is an apply configuration: an object, as it was read, and a part of its status.
// Unset fields of that part are not sent, so that they stay with their owner.
type Configuration struct {
	metav1.TypeMeta `json:",inline"`
	Identity        `json:"metadata"`

	Status any `json:"status"`
}

// Identity identifies the object. The API server does not compare the UID in a write of status
// alone, so the resourceVersion goes with it: a new object of the same name is a conflict. Without
// a resourceVersion, any object of that name is written.
type Identity struct {
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	UID       types.UID `json:"uid,omitempty"`
	// ResourceVersion is a pointer because controller-runtime looks for one, by reflection and in
	// the Configuration itself: its cache then waits for this write before the next read.
	ResourceVersion *string `json:"resourceVersion,omitempty"`
}

// Trigger applies a part of a CloudinaryTrigger's status.
func Trigger(o metav1.Object, part v1alpha1.CloudinaryTriggerStatus) *Configuration {
	return of("CloudinaryTrigger", o, part)
}

// Endpoint applies a part of a NotificationEndpoint's status.
func Endpoint(o metav1.Object, part v1alpha1.NotificationEndpointStatus) *Configuration {
	return of("NotificationEndpoint", o, part)
}

func of(kind string, o metav1.Object, part any) *Configuration {
	c := &Configuration{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: kind},
		Identity: Identity{Namespace: o.GetNamespace(), Name: o.GetName(), UID: o.GetUID()},
		Status:   part,
	}
	if version := o.GetResourceVersion(); version != "" {
		c.ResourceVersion = &version
	}
	return c
}

// UnmarshalJSON reads the resourceVersion of the API server's answer. The rest of the answer was
// sent by us, or belongs to another field manager.
func (c *Configuration) UnmarshalJSON(answer []byte) error {
	var written struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(answer, &written); err != nil {
		return fmt.Errorf("decode the answer to an apply: %w", err)
	}
	c.ResourceVersion = &written.Metadata.ResourceVersion
	return nil
}

// IsApplyConfiguration marks a Configuration for controller-runtime, like the methods below.
func (c *Configuration) IsApplyConfiguration() {}

// GetAPIVersion returns the API version of the object.
func (c *Configuration) GetAPIVersion() *string { return &c.APIVersion }

// GetKind returns the kind of the object.
func (c *Configuration) GetKind() *string { return &c.Kind }

// GetNamespace returns the namespace of the object.
func (c *Configuration) GetNamespace() *string { return &c.Namespace }

// GetName returns the name of the object.
func (c *Configuration) GetName() *string { return &c.Name }
