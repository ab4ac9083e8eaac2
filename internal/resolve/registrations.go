// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/remembered"
)

// Status groups the triggers of an object by environment, Secret and URL, which is short and reads
// well. The plan works with one record for each trigger.

// RegistrationEnvironment is the environment of a registration.
func RegistrationEnvironment(r v1alpha1.Registration) cloudinary.Environment {
	return cloudinary.Environment{APIBase: r.APIBase, CloudName: r.CloudName}
}

// RecordsIn are the records of an object in one environment.
func RecordsIn(registrations []v1alpha1.Registration, env cloudinary.Environment) []plan.Record {
	var records []plan.Record
	for _, r := range registrations {
		if RegistrationEnvironment(r) != env {
			continue
		}
		for _, t := range r.Triggers {
			records = append(records, toRecord(r, t))
		}
	}
	return records
}

// RegistrationEnvironments are the environments in which an object holds triggers, each once.
func RegistrationEnvironments(registrations []v1alpha1.Registration) []cloudinary.Environment {
	var envs []cloudinary.Environment
	for _, r := range registrations {
		if e := RegistrationEnvironment(r); !slices.Contains(envs, e) {
			envs = append(envs, e)
		}
	}
	return envs
}

// WithRecords replaces the records of an object in one environment.
func WithRecords(registrations []v1alpha1.Registration, env cloudinary.Environment, records []plan.Record) []v1alpha1.Registration {
	kept := slices.DeleteFunc(slices.Clone(registrations), func(r v1alpha1.Registration) bool { return RegistrationEnvironment(r) == env })
	limit := ShownBytes(len(records))
	for _, rec := range records {
		i := slices.IndexFunc(kept, func(r v1alpha1.Registration) bool {
			return RegistrationEnvironment(r) == env && RegistrationSecret(r) == rec.Secret && r.URL == rec.URL
		})
		if i < 0 {
			kept = append(kept, v1alpha1.Registration{
				APIBase: env.APIBase, CloudName: env.CloudName, URL: rec.URL,
				SecretRef: v1alpha1.NamespacedSecretReference{Namespace: rec.Secret.Namespace, Name: rec.Secret.Name},
			})
			i = len(kept) - 1
		}
		kept[i].Triggers = append(slices.Clip(kept[i].Triggers), fromRecord(rec, limit))
	}
	slices.SortStableFunc(kept, func(a, b v1alpha1.Registration) int {
		return cmp.Or(cmp.Compare(a.APIBase, b.APIBase), cmp.Compare(a.CloudName, b.CloudName), cmp.Compare(a.URL, b.URL),
			cmp.Compare(a.SecretRef.Namespace, b.SecretRef.Namespace), cmp.Compare(a.SecretRef.Name, b.SecretRef.Name))
	})
	return kept
}

// RegistrationSecret is the Secret whose credentials wrote the triggers of a registration.
func RegistrationSecret(r v1alpha1.Registration) plan.Key {
	return plan.Key{Namespace: r.SecretRef.Namespace, Name: r.SecretRef.Name}
}

func toRecord(r v1alpha1.Registration, t v1alpha1.RegisteredTrigger) plan.Record {
	rec := plan.Record{
		EventType: t.EventType, URL: r.URL, Secret: RegistrationSecret(r), ID: t.ID, Origin: plan.Origin(t.Origin),
		IntendedAt: timeOf(t.IntendedAt),
	}
	remembered.Decode(t.Remembered, &rec)
	return rec
}

func fromRecord(rec plan.Record, limit int) v1alpha1.RegisteredTrigger {
	return v1alpha1.RegisteredTrigger{
		EventType: rec.EventType, ID: rec.ID, Origin: v1alpha1.Origin(rec.Origin),
		IntendedAt: microTime(rec.IntendedAt), Differences: FieldDifferences(rec.Differences, limit), Remembered: remembered.Encode(&rec),
	}
}

func timeOf(t *metav1.MicroTime) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func microTime(t time.Time) *metav1.MicroTime {
	if t.IsZero() {
		return nil
	}
	m := storable(t)
	return &m
}

// storable is a time as the API server returns it, so that written and read times compare equal.
func storable(t time.Time) metav1.MicroTime {
	return metav1.NewMicroTime(t.UTC().Truncate(time.Microsecond))
}

const (
	// maxShownValue is how many bytes of a differing value are shown.
	maxShownValue = 256
	// maxShownValues is how many bytes of differing values status shows for each environment, so
	// that the records of one environment never exceed 64 KB. An object that moves between
	// environments has records in both.
	maxShownValues = 16 << 10
	// minShownValue is always shown: enough to recognize the value.
	minShownValue = 16
	// valuesPerTrigger is the number of wanted and actual values of all managed fields.
	valuesPerTrigger = 10
)

// ShownBytes is how many bytes of each differing value an object with so many triggers shows.
func ShownBytes(triggers int) int {
	return max(minShownValue, min(maxShownValue, maxShownValues/max(1, triggers*valuesPerTrigger)))
}

// FieldDifferences are differences as status shows them, with at most limit bytes of each value.
func FieldDifferences(differences []plan.Difference, limit int) []v1alpha1.FieldDifference {
	var shown []v1alpha1.FieldDifference
	for _, d := range differences {
		want, have := excerpt.Shorten(d.Want, limit), excerpt.Shorten(d.Have, limit)
		shown = append(shown, v1alpha1.FieldDifference{Field: d.Field, Want: &want, Have: &have})
	}
	return shown
}
