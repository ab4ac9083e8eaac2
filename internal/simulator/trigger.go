// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"strings"
	"time"
)

// Values of a trigger's uri_type.
const (
	uriTypeWebhook = "webhook"
	uriTypeFlow    = "flow"
	uriTypePoll    = "poll"
)

// trigger is one stored trigger. It is never changed in place, since snapshots share it.
type trigger struct {
	id         string
	uriType    string
	uri        string
	eventType  string
	additive   bool
	filter     map[string]any // nil: unset
	template   map[string]any // nil: unset
	authScheme string
	createdAt  time.Time
	updatedAt  time.Time
}

// Trigger is a trigger as Cloudinary shows it, or as it truly is where the control API shows it.
type Trigger struct {
	ID                   string          `json:"id"`
	ProductEnvironmentID string          `json:"product_environment_id"`
	URIType              string          `json:"uri_type"`
	URI                  string          `json:"uri"`
	EventType            string          `json:"event_type"`
	CreatedAt            string          `json:"created_at"`
	UpdatedAt            string          `json:"updated_at"`
	Additive             *bool           `json:"additive,omitempty"`
	Filter               *map[string]any `json:"filter,omitempty"`
	PayloadTemplate      *map[string]any `json:"payload_template,omitempty"`
	AuthScheme           string          `json:"auth_scheme,omitempty"`
	FilterLanguage       string          `json:"filter_language,omitempty"`
}

// show is the trigger as LIST and a create's answer show it under the given switches.
func (s *Simulator) show(t trigger) Trigger {
	shown := s.truth(t)
	switch s.options.Normalize {
	case NormalizeEquivalent:
		shown.URI = normalizeURI(t.uri)
		shown.Filter = present(normalizeFilter(t.filter))
	case NormalizeLossy:
		shown.Filter = present(distortFilter(t.filter))
		shown.PayloadTemplate = present(distortTemplate(t.template))
	case NormalizeOff:
	}
	if s.options.UnsetFields == UnsetEmpty {
		shown.Filter = orEmpty(shown.Filter)
		shown.PayloadTemplate = orEmpty(shown.PayloadTemplate)
	}
	if s.options.FilterLanguage == FilterLanguageEcho && t.filter != nil {
		shown.FilterLanguage = filterLanguage
	}
	if s.options.Echo == EchoOpenAPI {
		shown.FilterLanguage = ""
		shown.Additive, shown.Filter, shown.PayloadTemplate, shown.AuthScheme = nil, nil, nil, ""
	}
	return shown
}

// truth is the trigger as it was sent; an unset filter or template is absent.
func (s *Simulator) truth(t trigger) Trigger {
	return Trigger{
		ID:                   t.id,
		ProductEnvironmentID: s.environmentID,
		URIType:              t.uriType,
		URI:                  t.uri,
		EventType:            t.eventType,
		CreatedAt:            s.timestamp(t.createdAt),
		UpdatedAt:            s.timestamp(t.updatedAt),
		Additive:             new(t.additive),
		Filter:               present(t.filter),
		PayloadTemplate:      present(t.template),
		AuthScheme:           t.authScheme,
	}
}

func (s *Simulator) timestamp(at time.Time) string {
	if s.options.Timestamps == TimestampsOffset {
		return at.UTC().Format("2006-01-02T15:04:05-07:00")
	}
	return at.UTC().Format("2006-01-02T15:04:05Z")
}

func present(object map[string]any) *map[string]any {
	if object == nil {
		return nil
	}
	return &object
}

func orEmpty(object *map[string]any) *map[string]any {
	if object == nil {
		return &map[string]any{}
	}
	return object
}

// duplicateKey is equal for two triggers that may not both exist.
func (s *Simulator) duplicateKey(t trigger) string {
	key := s.storedURI(t.uri) + "\n" + t.eventType
	if s.options.DuplicateKey == DuplicateURIEventTypeFilter {
		key += "\n" + canonical(t.filter)
	}
	return key
}

// storedURI is what the server compares: an environment that normalizes URLs does not tell two spellings of one apart.
func (s *Simulator) storedURI(uri string) string {
	if s.options.Normalize == NormalizeEquivalent {
		return normalizeURI(uri)
	}
	return uri
}

func canonical(object map[string]any) string {
	text, err := json.Marshal(object)
	if err != nil {
		return ""
	}
	return string(text)
}

// normalizeURI writes the same URL as a URL library might: host in lower case, no default port, "/" for an empty path.
func normalizeURI(uri string) string {
	parsed, err := url.Parse(uri)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return uri
	}
	parsed.Host = strings.ToLower(parsed.Host)
	defaultPort := map[string]string{"http": ":80", "https": ":443"}[parsed.Scheme]
	parsed.Host = strings.TrimSuffix(parsed.Host, defaultPort)
	if parsed.Path == "" {
		parsed.Path = "/"
	}
	return parsed.String()
}

// normalizeFilter writes JSONLogic's sugar for one operand in full: {"var":"x"} becomes {"var":["x"]}.
func normalizeFilter(filter map[string]any) map[string]any {
	if filter == nil {
		return nil
	}
	full, _ := desugar(filter).(map[string]any)
	return full
}

func desugar(value any) any {
	switch v := value.(type) {
	case []any:
		list := make([]any, 0, len(v))
		for _, element := range v {
			list = append(list, desugar(element))
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for operator, operands := range v {
			list, ok := operands.([]any)
			if !ok {
				list = []any{operands}
			}
			object[operator] = desugar(list)
		}
		return object
	default:
		return value
	}
}

func distortFilter(filter map[string]any) map[string]any {
	if filter == nil {
		return nil
	}
	return map[string]any{"and": []any{filter}}
}

func distortTemplate(template map[string]any) map[string]any {
	if template == nil {
		return nil
	}
	distorted := maps.Clone(template)
	for name, value := range distorted {
		if text, ok := value.(string); ok {
			distorted[name] = strings.TrimSpace(text) + " "
		}
	}
	if canonical(distorted) == canonical(template) {
		distorted["normalized"] = true
	}
	return distorted
}

func onlySpace(text []byte) bool {
	return len(bytes.TrimSpace(text)) == 0
}
