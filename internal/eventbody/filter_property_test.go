// SPDX-License-Identifier: Apache-2.0

package eventbody

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/jsonlogic"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// Whatever is concluded of a filter holds for every notification that has no more than it may have:
// JSONLogic is asked.
func TestConclusionsHoldForEveryNotification(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	concluded := map[outcome]int{}
	for range 6000 {
		body := Known(notification.EventTypes()[random.IntN(len(notification.EventTypes()))])
		g := generator{random, &body}
		rule := g.rule(4, []string{"", "resource_type", "public_id", "tags", "resources", "resources.0.type", "notification_type", "public_id.x", "eager", "source"})
		steps := maxSteps
		j := evaluator{body: &body, steps: &steps}
		v := j.value(rule, scope{shape: body.root()})
		holds := v.truth()
		concluded[holds]++
		for range 5 {
			data := g.of(body.root(), 3)
			got, err := jsonlogic.Holds(rule, data)
			if err != nil || holds == open || got == (holds == truthy) {
				continue
			}
			r, _ := json.Marshal(rule)
			d, _ := json.Marshal(data)
			t.Fatalf("seed %d, %s: said to be always %t, and is not:\n%s\nfor\n%s", seed, body.EventType, holds == truthy, r, d)
		}
	}
	if concluded[falsy] < 300 || concluded[truthy] < 100 || concluded[open] < 300 {
		t.Errorf("the rules are too much alike: %v", concluded)
	}
}

type generator struct {
	*rand.Rand

	body *Body
}

func (g generator) one(of ...any) any { return of[g.IntN(len(of))] }

// rule is a random one, whose variables are among the names.
func (g generator) rule(depth int, names []string) any {
	if depth == 0 || g.IntN(6) == 0 {
		return g.one("image", "upload", "", 0.0, 1.0, true, nil, []any{"image", "x"}, []any{}, []any{nil, "image"}, "delete")
	}
	inner := func() any { return g.rule(depth-1, names) }
	variable := map[string]any{"var": names[g.IntN(len(names))]}
	entry := []string{"", "resource_type", "format", "public_id", "0"}
	switch g.IntN(12) {
	case 0, 1:
		return variable
	case 2:
		return map[string]any{"var": []any{names[g.IntN(len(names))], inner()}}
	case 3:
		operator := g.one("==", "===", "!=", "!==", "<", "<=", ">", ">=", "in", "cat", "+", "min", "merge", "startsWith", "contains", "matches").(string)
		return map[string]any{operator: []any{inner(), inner()}}
	case 4:
		return map[string]any{g.one("==", "!=", "in", "startsWith").(string): []any{variable, g.one("image", "upload", nil, "")}}
	case 5:
		return map[string]any{g.one("!", "!!", "log", "substr", "-").(string): []any{inner()}}
	case 6:
		return map[string]any{g.one("and", "or").(string): []any{inner(), inner(), inner()}}
	case 7:
		return map[string]any{g.one("if", "?:").(string): []any{inner(), inner(), inner(), inner()}[:g.IntN(4)+1]}
	case 8:
		return map[string]any{g.one("some", "all", "none", "filter", "map").(string): []any{inner(), g.rule(depth-1, entry)}}
	case 9:
		return map[string]any{"reduce": []any{inner(), g.rule(depth-1, []string{"current", "accumulator", "current.type", "other"}), inner()}}
	case 10:
		return map[string]any{"missing": []any{names[g.IntN(len(names))], names[g.IntN(len(names))]}}
	default:
		return map[string]any{"missing_some": []any{float64(g.IntN(3)), []any{names[g.IntN(len(names))], names[g.IntN(len(names))]}}}
	}
}

// of is a value of a shape.
func (g generator) of(s shape, depth int) any {
	if s.constant != "" {
		return s.constant
	}
	switch s.kind {
	case text:
		return g.one("", "image", "upload", "x", "delete")
	case number:
		return g.one(0.0, 1.0, -3.5)
	case boolean:
		return g.one(true, false)
	case object:
		return g.object(s, depth)
	case keyed:
		return map[string]any{"a.b": g.of(s.of(), depth-1), "resource_type": g.of(s.of(), depth-1)}
	case either:
		if g.IntN(2) == 0 {
			return map[string]any{"x": g.of(s.of(), depth-1)}
		}
		fallthrough
	case list:
		entries := []any{}
		for range g.IntN(3) {
			entries = append(entries, g.of(s.of(), depth-1))
		}
		return entries
	}
	if depth <= 0 {
		return nil
	}
	return g.one(nil, "", "image", 1.0, true, []any{}, []any{g.of(shape{}, depth-1)}, map[string]any{"type": g.of(shape{}, depth-1)})
}

func (g generator) object(s shape, depth int) map[string]any {
	object := map[string]any{}
	for i := range s.members {
		m := &s.members[i]
		if m.shape.constant != "" || g.IntN(4) > 0 {
			object[m.Name] = g.of(m.shape, depth-1)
		}
	}
	if s.open && !s.whole {
		for _, name := range []string{"format", "resource_type", "x"} {
			if _, known := find(s.members, name); !known && g.IntN(2) == 0 {
				object[name] = g.of(shape{}, depth-1)
			}
		}
	}
	object["brand_new_"+strconv.Itoa(g.IntN(9))] = true
	return object
}
