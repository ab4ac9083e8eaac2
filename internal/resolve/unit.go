// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"net/url"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// HostOf is scheme and host of a URL.
func HostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "an address that is no URL"
	}
	return u.Scheme + "://" + u.Host
}

// UnitKind is the kind of a unit.
type UnitKind string

// The kinds of unit.
const (
	// EnvironmentUnit is a product environment with all objects that belong to it.
	EnvironmentUnit UnitKind = "environment"
	// SecretUnit is a Secret whose credentials Cloudinary has not accepted yet, with the objects
	// that wait for it.
	SecretUnit UnitKind = "secret"
	// EndpointUnit is an endpoint that does not exist, with the triggers that refer to it.
	EndpointUnit UnitKind = "endpoint"
)

// Unit is the key of a pass: what one reconcile is about. Passes of one unit never overlap.
type Unit struct {
	Kind        UnitKind
	Environment cloudinary.Environment // of an EnvironmentUnit
	Key         plan.Key               // of the others
}

// UnitOfEnvironment is the unit of a product environment.
func UnitOfEnvironment(e cloudinary.Environment) Unit {
	return Unit{Kind: EnvironmentUnit, Environment: e}
}

// UnitOfSecret is the unit of a Secret.
func UnitOfSecret(k plan.Key) Unit { return Unit{Kind: SecretUnit, Key: k} }

// UnitOfEndpoint is the unit of an endpoint that does not exist.
func UnitOfEndpoint(k plan.Key) Unit { return Unit{Kind: EndpointUnit, Key: k} }

// String names the unit for logs.
func (u Unit) String() string {
	if u.Kind == EnvironmentUnit {
		return string(u.Kind) + " " + u.Environment.String()
	}
	return string(u.Kind) + " " + u.Key.String()
}

// UnitsOf are the environments in which an object holds triggers, and their Secrets, so that a new
// process reads those.
func UnitsOf(registrations []v1alpha1.Registration) []Unit {
	var units []Unit
	for _, reg := range registrations {
		units = append(units, UnitOfEnvironment(RegistrationEnvironment(reg)), UnitOfSecret(RegistrationSecret(reg)))
	}
	return units
}
