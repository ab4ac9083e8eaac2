// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// problemsOf turns a plan's findings into the problem of the spec and the problem of the state. The
// most important finding gives the reason, and the message has all of them.
func problemsOf(t *resolve.Trigger, findings []plan.Finding, use *LimitUse) (accepted, synced *resolve.Problem) {
	for _, f := range findings {
		p := &resolve.Problem{Reason: string(f.Problem), Message: message(t, f, use)}
		target := &synced
		if f.Problem.OfSpec() {
			target = &accepted
		}
		if *target == nil {
			*target = p
			continue
		}
		(*target).Message = check.Sentence((*target).Message) + " " + check.Sentence(p.Message)
	}
	return accepted, synced
}

// message tells a person what is wrong and what to do. It has no time, and no count except that of
// a reached URL limit, so that an unchanged state writes nothing.
func message(t *resolve.Trigger, f plan.Finding, use *LimitUse) string {
	types := "event type " + joinNames(f.EventTypes)
	if len(f.EventTypes) > 1 {
		types = "event types " + joinNames(f.EventTypes)
	}
	switch f.Problem {
	case plan.Conflict:
		other, them := "an object in another namespace", "it"
		if f.Other.Namespace == t.Namespace {
			other = "CloudinaryTrigger " + f.Other.String()
		}
		if len(f.EventTypes) > 1 {
			them = "them"
		}
		return fmt.Sprintf("%s: %s is older and already uses %s at the same URL. Remove %s from one of the two", types, other, them, them)
	case plan.AlreadyExists:
		if f.NonWebhook != nil {
			return fmt.Sprintf("%s: Cloudinary has trigger %s with uri_type %s at the same URL, and accepts no second one. "+
				"The operator never touches triggers of that type. Delete that trigger, or use another URL", types, f.NonWebhook.ID, f.NonWebhook.URIType)
		}
		return fmt.Sprintf("%s: another trigger exists at the same URL, and spec.adoptionPolicy is Refuse. Delete that trigger, or set Adopt", types)
	case plan.URLLimitReached:
		return fmt.Sprintf("%s: %s", types, use.explain(t.Namespace, f.Message))
	case plan.Rejected:
		return fmt.Sprintf("%s: Cloudinary refuses the trigger%s. Correct the spec. The operator retries when the spec changes, and once an hour", types, quoteCloudinary(f.Message))
	case plan.NotConverging:
		if len(f.Missing) == len(f.EventTypes) {
			return fmt.Sprintf("%s: somebody keeps deleting the trigger. The operator created it again three times within an hour, and stopped. "+
				"Find out who deletes it, or remove the event type from the spec. The operator retries when the spec changes, and an hour after the last deletion", types)
		}
		return fmt.Sprintf("%s: Cloudinary reports another value for %s than the operator sent, or another tool keeps changing it. "+
			"The operator stopped writing it, and resumes when the spec or the value changes (after repeated changes at most once an hour). status.registrations shows both values", types, joinNames(f.Fields))
	case plan.Drifted:
		return driftMessage(f)
	case plan.Confirming:
		return fmt.Sprintf("%s: the change was sent, but Cloudinary's list does not show it yet. The operator checks again at the next sync", types)
	case plan.Pending:
		return fmt.Sprintf("%s: the change is still to be sent to Cloudinary", types)
	case plan.DeletionRefused:
		if f.NonWebhook != nil {
			return fmt.Sprintf("%s: Cloudinary's list shows the operator's trigger %s with uri_type %s. The operator never touches triggers of that type. "+
				"Delete it in the Console", types, f.NonWebhook.ID, f.NonWebhook.URIType)
		}
		return fmt.Sprintf("%s: Cloudinary refuses to delete the trigger%s. Remove the cause there, or delete the trigger in the Console. "+
			"The operator retries after the next list, then less and less often, at least every 10 minutes", types, quoteCloudinary(f.Message))
	case plan.PlaceTaken:
		return fmt.Sprintf("%s: Cloudinary refuses the trigger because one exists already%s, but its list does not show it. The spec is correct. "+
			"The operator retries after the next list, then less and less often, at least every 10 minutes", types, quoteCloudinary(f.Message))
	case plan.Releasing:
		return fmt.Sprintf("%s: triggers that the spec no longer asks for are still to be released", types)
	default:
		return fmt.Sprintf("%s: %s", types, f.Problem)
	}
}

func driftMessage(f plan.Finding) string {
	var parts []string
	if len(f.Fields) > 0 {
		parts = append(parts, "Cloudinary differs in "+joinNames(f.Fields)+" (see status.observed)")
	}
	if len(f.Missing) > 0 {
		parts = append(parts, "Cloudinary has no trigger for "+joinNames(f.Missing))
	}
	return strings.Join(parts, "; ") + ". spec.managementPolicy is Observe, so the operator writes nothing"
}

// maxListed is how many names a message lists.
const maxListed = 10

func joinNames(names []string) string {
	if len(names) > maxListed {
		return strings.Join(names[:maxListed], ", ") + " and more"
	}
	return strings.Join(names, ", ")
}

func quoteCloudinary(message string) string {
	if message == "" {
		return ""
	}
	return fmt.Sprintf(" (Cloudinary says %q)", message)
}
