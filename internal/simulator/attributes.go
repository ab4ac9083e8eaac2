// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"mime"
	"net/url"
	"slices"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/internal/firing"
)

// Messages of the Admin API.
const (
	messageOK              = "ok"
	messageUnauthorized    = "Invalid credentials"
	messageMissing         = "missing_attributes"
	messageInvalid         = "invalid_or_malformed_attribute"
	messageInvalidSample   = "invalid_sample_data_json"
	messageLimitReached    = "limit_reached"
	messageRecordNotFound  = "record_not_found"
	messageRecordExists    = "record_already_exists"
	messageNotFound        = "Resource not found"
	messageNotAllowed      = "Method not allowed"
	messageTooLarge        = "Request body too large"
	messageRateLimitFormat = "Rate Limit Exceeded. Limit of %d api operations reached. Try again on %s"
)

// attributes are the members of a request's body. A null counts as left out.
type attributes map[string]any

// parseAttributes reads a JSON object or a form. No body at all is an empty object.
func parseAttributes(contentType string, body []byte) (attributes, bool) {
	if mediaType, _, err := mime.ParseMediaType(contentType); err == nil && mediaType == "application/x-www-form-urlencoded" {
		return parseForm(body)
	}
	if onlySpace(body) {
		return attributes{}, true
	}
	value, ok := firing.Decode(body)
	object, isObject := value.(map[string]any)
	if !ok || !isObject {
		return nil, false
	}
	for name, member := range object {
		if member == nil {
			delete(object, name)
		}
	}
	return object, true
}

// parseForm turns a form's texts into what a JSON body would have held.
func parseForm(body []byte) (attributes, bool) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, false
	}
	parsed := attributes{}
	for name, values := range form {
		parsed[name] = fromForm(name, values[0])
	}
	return parsed, true
}

func fromForm(name, text string) any {
	switch name {
	case "additive":
		switch strings.ToLower(text) {
		case "true", "1":
			return true
		case "false", "0":
			return false
		}
	case "filter":
		if value, ok := firing.Decode([]byte(text)); ok {
			return value
		}
	}
	return text
}

// required are the texts of the named attributes; message is what is wrong otherwise.
func (a attributes) required(names ...string) (texts []string, message string) {
	for _, name := range names {
		value, ok := a[name]
		if !ok || value == "" {
			return nil, messageMissing
		}
		text, isText := value.(string)
		if !isText {
			return nil, messageInvalid
		}
		texts = append(texts, text)
	}
	return texts, ""
}

// settings are the attributes that both POST and PUT may set, put on top of a trigger.
type settings struct {
	clearFilter   ClearForm
	clearTemplate ClearForm
	language      FilterLanguage
}

// filterLanguage is the only value of filter_language.
const filterLanguage = "jsonlogic"

// fits reports whether the attributes say as much of a filter's language as the server wants.
func (l FilterLanguage) fits(a attributes) bool {
	language, given := a["filter_language"]
	filter, isFilter := a["filter"].(map[string]any)
	switch {
	case given:
		return l != FilterLanguageRefuse && language == filterLanguage
	case isFilter && len(filter) > 0:
		return l != FilterLanguageRequire
	default:
		return true
	}
}

// apply sets what the attributes hold and leaves the rest; false means that one of them is invalid.
func (c settings) apply(t *trigger, a attributes) bool {
	return c.language.fits(a) && applyAdditive(t, a) && applyAuthScheme(t, a) && c.applyFilter(t, a) && c.applyTemplate(t, a)
}

func applyAdditive(t *trigger, a attributes) bool {
	value, given := a["additive"]
	if !given {
		return true
	}
	additive, ok := value.(bool)
	t.additive = additive
	return ok
}

func applyAuthScheme(t *trigger, a attributes) bool {
	value, given := a["auth_scheme"]
	if !given {
		return true
	}
	scheme, ok := value.(string)
	t.authScheme = scheme
	return ok && slices.Contains([]string{"default", "legacy_hmac", "eddsa_v2"}, scheme)
}

func (c settings) applyFilter(t *trigger, a attributes) bool {
	value, given := a["filter"]
	if !given {
		return true
	}
	if empty, allowed := clears(value, c.clearFilter); empty {
		t.filter = nil
		return allowed
	}
	filter, ok := value.(map[string]any)
	t.filter = filter
	return ok && firing.CheckFilter(filter) == nil
}

func (c settings) applyTemplate(t *trigger, a attributes) bool {
	value, given := a["payload_template"]
	if !given {
		return true
	}
	if empty, allowed := clears(value, c.clearTemplate); empty {
		t.template = nil
		return allowed
	}
	if text, isText := value.(string); isText {
		value, _ = firing.Decode([]byte(text))
	}
	template, ok := value.(map[string]any)
	t.template = template
	return ok && firing.CheckTemplate(template) == nil
}

// clears reports whether a value is one of the two empty ones, and whether that one is allowed.
func clears(value any, form ClearForm) (empty, allowed bool) {
	switch v := value.(type) {
	case string:
		return v == "", form != ClearEmptyObject
	case map[string]any:
		return len(v) == 0, form != ClearEmptyString
	default:
		return false, false
	}
}

// validURI reports whether the URI fits its type.
func validURI(uriType, uri string) bool {
	parsed, err := url.Parse(uri)
	if err != nil {
		return false
	}
	switch uriType {
	case uriTypeWebhook:
		return (parsed.Scheme == "http" || parsed.Scheme == "https") && parsed.Hostname() != ""
	case uriTypePoll:
		return parsed.Scheme == "poll" && parsed.Host != ""
	default:
		return true
	}
}

func validURIType(uriType string) bool {
	return slices.Contains([]string{uriTypeWebhook, uriTypeFlow, uriTypePoll}, uriType)
}

// sampleData is the notification to test a filter with, which is empty where none is given; message is what is wrong otherwise.
func sampleData(a attributes) (data map[string]any, message string) {
	value, given := a["sample_data"]
	if !given {
		return map[string]any{}, ""
	}
	if text, isText := value.(string); isText {
		value, _ = firing.Decode([]byte(text))
	}
	data, ok := value.(map[string]any)
	if !ok || !marshals(data) {
		return nil, messageInvalidSample
	}
	return data, ""
}

func marshals(value any) bool {
	_, err := json.Marshal(value)
	return err == nil
}
