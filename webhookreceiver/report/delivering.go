// SPDX-License-Identifier: Apache-2.0

package report

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
)

const (
	// failingAttempts in a row make a target one that fails, as do fewer of them for failingFor: one attempt that
	// fails is what retries are for.
	failingAttempts = 3
	failingFor      = 15 * time.Second

	// maxNamed is how many targets a message names.
	maxNamed = 4
)

// health is what Delivering is judged by, for one target.
type health struct {
	name string
	// gone says that the spec does not have it any more.
	gone bool
	// paused says that the dispatcher leaves the target alone for a while.
	paused bool
	// failures is how many attempts failed since one was answered for good, the first of them at failingSince.
	failures     int
	failingSince time.Time
	failure      string
	delivered    int64
	waiting      int
	dead         int
	// died is why the last of the dead letters is one.
	died string
}

// failing says that attempts fail, and that something waits to be tried again: what was given up is not.
func (h *health) failing(now time.Time) bool {
	switch {
	case h.waiting == 0:
		return false
	case h.paused || h.failures >= failingAttempts:
		return true
	default:
		return h.failures > 0 && now.Sub(h.failingSince) >= failingFor
	}
}

// delivering judges Delivering, by the targets of the endpoint in the order of the spec.
//
//	a target fails | dead letters | anything delivered | then
//	---------------+--------------+--------------------+---------------------
//	yes            |              |                    | False: TargetFailing, and what of the dead letters
//	no             | yes          |                    | False: DeadLetters
//	no             | no           | yes, or judged before | True: Delivered
//	no             | no           | no                 | absent
//
// Its message counts nothing and has no time in it, so that it stays while nothing changes.
func delivering(of types.NamespacedName, targets []health, before judgment, now time.Time) judgment {
	var failing, dead, gone failed
	delivered := before.status != ""
	for i := range targets {
		h := &targets[i]
		if h.failing(now) {
			failing.add(h.name, h.failure)
		}
		switch {
		case h.dead > 0 && h.gone:
			gone.add(h.name, h.died)
		case h.dead > 0:
			dead.add(h.name, h.died)
		}
		delivered = delivered || h.delivered > 0
	}
	sentences := slices.DeleteFunc([]string{failing.retried(), dead.kept(of), gone.left(of)}, func(s string) bool { return s == "" })
	switch message := strings.Join(sentences, " "); {
	case len(failing.names) > 0:
		return judgment{metav1.ConditionFalse, v1alpha1.ReasonTargetFailing, message}
	case len(sentences) > 0:
		return judgment{metav1.ConditionFalse, v1alpha1.ReasonDeadLetters, message}
	case delivered && len(targets) > 0:
		return judgment{metav1.ConditionTrue, v1alpha1.ReasonDelivered, "Deliveries work: no target fails, and there are no dead letters."}
	default:
		return judgment{}
	}
}

// failed are targets with one trouble, and how it shows at the first of them.
type failed struct {
	names []string
	cause string
}

func (f *failed) add(name, cause string) {
	if f.names = append(f.names, name); len(f.names) == 1 {
		f.cause = excerpt.Shorten(strings.TrimRight(cause, ". "), maxMessageBytes)
	}
}

// are names the targets, and the cause.
func (f *failed) are() string {
	switch {
	case f.cause == "":
		return named(f.names)
	case len(f.names) == 1:
		return named(f.names) + ": " + f.cause
	default:
		return named(f.names) + "; for " + f.names[0] + ": " + f.cause
	}
}

func (f *failed) retried() string {
	if len(f.names) == 0 {
		return ""
	}
	return "Deliveries fail to " + f.are() + ". They are tried again, ever less often, until spec.receiver.retry.maxAge."
}

func (f *failed) kept(of types.NamespacedName) string {
	if len(f.names) == 0 {
		return ""
	}
	return "Notifications were given up for " + f.are() + ". They are kept as dead letters and not tried again. See them: " +
		command("list", of) + ". Once the cause is gone, deliver them: " + command("redrive", of) +
		", or give this object the annotation " + v1alpha1.AnnotationRedrive + " with a new value."
}

func (f *failed) left(of types.NamespacedName) string {
	if len(f.names) == 0 {
		return ""
	}
	return "Notifications were given up for " + f.are() + ". They are kept as dead letters, though the spec names no such target any more. " +
		"Bring the target back, or discard them: " + command("discard", of) + " --target " + f.names[0] + " --all."
}

// command is one of the plugin's, as it is typed.
func command(verb string, of types.NamespacedName) string {
	return "kubectl cloudinary deadletters " + verb + " " + of.Name + " -n " + of.Namespace
}

// named lists targets.
func named(names []string) string {
	if len(names) == 1 {
		return "the target " + names[0]
	}
	more := ""
	if len(names) > maxNamed {
		names, more = names[:maxNamed], " and others"
	}
	return "the targets " + strings.Join(names, ", ") + more
}

// doubtful reports whether time alone may change the judgment.
func doubtful(targets []health) bool {
	for i := range targets {
		if targets[i].failures > 0 {
			return true
		}
	}
	return false
}
