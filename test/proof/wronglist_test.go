// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"encoding/json"
	"time"
)

// wrongLists are lists that Cloudinary answers for a while, and that are not so.
type wrongLists struct {
	oneIn int       // of so many lists one begins a while; 0: none
	until time.Time // the end of the present while
	way   listFault
}

// listFault is a way in which a list is wrong.
type listFault string

const (
	emptyList   listFault = "shows nothing"
	gappyList   listFault = "leaves triggers out"
	cutList     listFault = "ends too early"
	alienList   listFault = "shows flows"
	earlierList listFault = "is an old one"
)

func listFaults() []listFault {
	return []listFault{emptyList, emptyList, gappyList, cutList, alienList, earlierList}
}

// longestWrong is how long lists are wrong: longer than it takes to believe a second one, and than
// the settle time.
const longestWrong = 3 * time.Minute

// misread makes an answer to a list wrong, where it is time for that.
func (r *run) misread(c *cloud, body []byte) []byte {
	w := &r.lists
	if r.settling || r.script != nil || w.oneIn == 0 {
		return body
	}
	if r.now.After(w.until) {
		if !r.one(w.oneIn) {
			c.earlier = body
			return body
		}
		w.way, w.until = choose(r, listFaults()), r.now.Add(r.between(0, longestWrong))
		r.note("until %s each list %s", w.until.Format("15:04:05"), w.way)
	}
	if w.way == earlierList && c.earlier != nil {
		return c.earlier
	}
	var list struct {
		Triggers []map[string]json.RawMessage `json:"triggers"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return body
	}
	shown := []map[string]json.RawMessage{}
	for i, t := range list.Triggers {
		switch {
		case w.way == emptyList, w.way == gappyList && r.coin(), w.way == cutList && 2*i >= len(list.Triggers):
			continue
		case w.way == alienList:
			t["uri_type"] = json.RawMessage(`"flow"`)
		}
		shown = append(shown, t)
	}
	raw, err := json.Marshal(map[string]any{"triggers": shown, "total": len(shown)})
	if err != nil {
		return body
	}
	return raw
}
