// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// Options are what a user can set about the manager's work.
type Options struct {
	// SyncInterval is the time between two lists of an environment at rest; up to a tenth is added
	// at random.
	SyncInterval time.Duration
	// MinListInterval is the least time between two lists of an environment, on average: a few may
	// follow each other at once.
	MinListInterval time.Duration
	// SettleTime is how long Cloudinary's list may lag behind a write.
	SettleTime time.Duration
	// CallTimeout bounds one Admin API call.
	CallTimeout time.Duration
	// CallShare is the share of a plan's Admin API calls that is spent at most, above 0 and at most
	// 1.
	CallShare float64
	// URLLimit is how many different notification URLs a product environment may hold.
	URLLimit int
	// ReceiverBaseURL is for endpoints whose spec.receiver has none.
	ReceiverBaseURL string
	// AllowInsecureAPIBase permits Admin APIs that are not https.
	AllowInsecureAPIBase bool
	// AllowedAPIBases are the Admin APIs that are called. The zero value: Cloudinary's own.
	AllowedAPIBases cloudinary.APIBases
	// UserAgent is sent with each call.
	UserAgent string
	// VerificationNamespace has the Secret with the receiver's verification keys; empty: no keys
	// are kept.
	VerificationNamespace string
	// VerificationKeyGrace is how long a key counts that is in no Secret any more.
	VerificationKeyGrace time.Duration
	// Namespaces are those that are watched; empty: all.
	Namespaces []string
}

// resolution are the options that decide to what objects lead.
func (o *Options) resolution() resolve.Options {
	return resolve.Options{
		Namespaces: o.Namespaces, ReceiverBaseURL: o.ReceiverBaseURL, VerificationNamespace: o.VerificationNamespace,
		AllowInsecureAPIBase: o.AllowInsecureAPIBase, AllowedAPIBases: o.AllowedAPIBases,
	}
}

// watches reports whether objects of a namespace can be read.
func (o *Options) watches(namespace string) bool {
	resolution := o.resolution()
	return resolution.Watches(namespace)
}

// DefaultOptions are the options of a manager that was given none.
func DefaultOptions() Options {
	return Options{
		SyncInterval: time.Minute, MinListInterval: 5 * time.Second, SettleTime: plan.DefaultSettle,
		CallTimeout: 15 * time.Second, CallShare: cloudinary.DefaultCallShare, URLLimit: plan.DefaultURLLimit, VerificationKeyGrace: 30 * time.Minute,
	}
}
