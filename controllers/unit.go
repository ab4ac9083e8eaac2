// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// UnitKind says what a pass is about.
type UnitKind string

// The kinds of unit.
const (
	// EnvironmentUnit is a product environment with all objects that belong to it.
	EnvironmentUnit UnitKind = "environment"
	// SecretUnit is a Secret whose credentials were not accepted yet, with the objects that wait for it.
	SecretUnit UnitKind = "secret"
	// EndpointUnit is an endpoint that does not exist, with the triggers that refer to it.
	EndpointUnit UnitKind = "endpoint"
)

// Unit is the key of a pass. Passes of one unit never overlap.
type Unit struct {
	Kind        UnitKind
	Environment cloudinary.Environment // of an EnvironmentUnit
	Key         plan.Key               // of the others
}

func environmentUnit(e cloudinary.Environment) Unit {
	return Unit{Kind: EnvironmentUnit, Environment: e}
}

func secretUnit(k plan.Key) Unit { return Unit{Kind: SecretUnit, Key: k} }

func endpointUnit(k plan.Key) Unit { return Unit{Kind: EndpointUnit, Key: k} }

// String names the unit for logs.
func (u Unit) String() string {
	if u.Kind == EnvironmentUnit {
		return string(u.Kind) + " " + u.Environment.String()
	}
	return string(u.Kind) + " " + u.Key.String()
}
