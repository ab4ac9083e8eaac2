// SPDX-License-Identifier: Apache-2.0

// Package controllers keeps product environments equal to the manifests: it gathers what is wanted, observes what is
// there, lets internal/plan decide, applies the steps, and reports.
//
// The unit of reconciliation is a product environment, not an object. Where an object resolves to no environment, the
// Secret or the endpoint that is in its way is the unit. Each object has exactly one unit that writes its conditions (its
// primary); another unit that holds triggers of the object writes its registrations alone. The package decides
// nothing about triggers itself, and is the only writer of the manager's conditions.
package controllers
