// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
)

const (
	defaultLimit = 100
	maxLimit     = 500
	// maxPageBytes is how many bytes of notifications are read for one page. Beyond, the assets of the larger ones are not named.
	maxPageBytes = 16 << 20
)

// page is a list of dead letters, one for each notification and target.
type page struct {
	Items []letter `json:"items"`
	// Continue asks for the next page; empty: there is none.
	Continue string `json:"continue"`
}

type letter struct {
	ID         string `json:"id"`
	Target     string `json:"target"`
	Namespace  string `json:"namespace"`
	Endpoint   string `json:"endpoint"`
	EventType  string `json:"eventType"`
	Asset      string `json:"asset"`
	ReceivedAt string `json:"receivedAt"`
	Reason     string `json:"reason"`
	Size       int    `json:"size"`
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	asked, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse(w, http.StatusBadRequest, "the query cannot be read")
		return
	}
	limit, err := limitOf(asked.Get("limit"))
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	after, err := letterOf(asked.Get("continue"))
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	which := queue.Selection{
		Endpoint: queue.Endpoint{Namespace: asked.Get("namespace"), Name: asked.Get("endpoint")}, Target: asked.Get("target"),
	}
	items := s.queue.DeadLetters(which, after, limit+1)
	p := page{Items: []letter{}}
	if len(items) > limit {
		items = items[:limit]
		p.Continue = tokenOf(items[limit-1])
	}
	assets := s.assets(r.Context(), items)
	for _, i := range items {
		p.Items = append(p.Items, letter{
			ID: idText(i.ID), Target: i.Target, Namespace: i.Endpoint.Namespace, Endpoint: i.Endpoint.Name, EventType: i.EventType,
			Asset: assets[i.ID], ReceivedAt: i.ReceivedAt.Format(time.RFC3339), Reason: i.Reason, Size: i.Size,
		})
	}
	answer(w, http.StatusOK, p)
}

func limitOf(text string) (int, error) {
	if text == "" {
		return defaultLimit, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 {
		return 0, fmt.Errorf("limit must be a number from 1 to %d", maxLimit)
	}
	return min(limit, maxLimit), nil
}

// tokenOf is where a page ended. The letter need not be there any more when the next one is asked for.
func tokenOf(i queue.Item) string { return idText(i.ID) + "." + i.Target }

func letterOf(token string) (queue.Letter, error) {
	if token == "" {
		return queue.Letter{}, nil
	}
	number, target, found := strings.Cut(token, ".")
	id, err := idOf(number)
	if err != nil || !found {
		return queue.Letter{}, errors.New("continue must be what the page before has as continue")
	}
	return queue.Letter{ID: id, Target: target}, nil
}

func idText(id queue.ID) string { return strconv.FormatUint(uint64(id), 10) }

func idOf(text string) (queue.ID, error) {
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is not the id of a notification, which is a number", text)
	}
	return queue.ID(id), nil
}

// assets says what notifications are about, as far as that can be read.
func (s *Server) assets(ctx context.Context, items []queue.Item) map[queue.ID]string {
	found := map[queue.ID]string{}
	room := maxPageBytes
	for _, i := range items {
		if _, known := found[i.ID]; known || i.Size > room || ctx.Err() != nil {
			continue
		}
		room -= i.Size
		found[i.ID] = ""
		if record, err := s.queue.Get(i.ID); err == nil {
			found[i.ID] = about(record.Body)
		}
	}
	return found
}

// about is what an Event's note says of a notification behind its event type; "" where that is nothing.
func about(body []byte) string {
	n, err := notification.Decode(body)
	if err != nil {
		return ""
	}
	return notification.About(n)
}

// whole is a notification with all that is stored of it.
type whole struct {
	ID         string              `json:"id"`
	Namespace  string              `json:"namespace"`
	Endpoint   string              `json:"endpoint"`
	EventType  string              `json:"eventType"`
	ReceivedAt string              `json:"receivedAt"`
	Targets    []standing          `json:"targets"`
	Headers    map[string][]string `json:"headers"`
	Body       []byte              `json:"body"`
}

// standing is how a notification stands with one of its targets.
type standing struct {
	Name string `json:"name"`
	// State is DeadLettered, Pending, or stateDone.
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// stateDone is that of a target that is done with a notification, which was delivered or discarded: that is not stored.
const stateDone = "Done"

func (s *Server) show(w http.ResponseWriter, r *http.Request) {
	id, err := idOf(r.PathValue("id"))
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	items := s.queue.ItemsOf(id)
	if !slices.ContainsFunc(items, func(i queue.Item) bool { return i.Dead }) {
		refuse(w, http.StatusNotFound, "there is no dead letter %d: it may have been delivered or discarded", id)
		return
	}
	record, err := s.queue.Get(id)
	switch {
	case errors.Is(err, queue.ErrNotFound):
		refuse(w, http.StatusNotFound, "there is no dead letter %d any more", id)
	case errors.Is(err, queue.ErrDamaged):
		refuse(w, http.StatusInternalServerError, "the dead letter %d is damaged on disk, and can be neither shown nor delivered: discard it", id)
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, "the dead letter %d cannot be read: %v", id, err)
	default:
		answer(w, http.StatusOK, wholeOf(id, record, items))
	}
}

func wholeOf(id queue.ID, record *queue.Record, items []queue.Item) whole {
	v := whole{
		ID: idText(id), Namespace: record.Endpoint.Namespace, Endpoint: record.Endpoint.Name, EventType: record.EventType,
		ReceivedAt: record.ReceivedAt.Format(time.RFC3339), Headers: map[string][]string{}, Body: append([]byte{}, record.Body...),
	}
	for _, target := range record.Targets {
		v.Targets = append(v.Targets, standingOf(target, items))
	}
	for _, line := range record.Header {
		v.Headers[line.Name] = append(v.Headers[line.Name], line.Value)
	}
	return v
}

func standingOf(target string, items []queue.Item) standing {
	for _, i := range items {
		switch {
		case i.Target != target:
		case i.Dead:
			return standing{Name: target, State: string(v1alpha1.DeliveryDeadLettered), Reason: i.Reason}
		default:
			return standing{Name: target, State: string(v1alpha1.DeliveryPending)}
		}
	}
	return standing{Name: target, State: stateDone}
}
