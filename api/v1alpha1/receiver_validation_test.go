// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"strings"
)

// What the messages of the receiver's rules start with.
const (
	wantKeysForEd25519 = "algorithms names Ed25519, which needs ed25519PublicKeys"
	wantAPIKeys        = "apiKeys are ids of API keys, as the Console shows them beside their secrets"
	wantSignatureAge   = "maxAge must be from 10m to 24h"
	wantRetryAge       = "maxAge must be from 1m to 720h"
	wantTimeout        = "timeout must be from 1s to 60s"
	wantOneTarget      = "exactly one of service and event must be set"
	wantTargetName     = "name must be lower-case letters, digits and hyphens, with a letter or digit at both ends"
	wantPath           = "path must start with / and be a valid URL path, without a fragment"
	wantDuration       = "should match '^([0-9]{1,5}(h|m|s)){1,3}$'"
)

const (
	verification = "spec.receiver.verification"
	deliverTo    = "spec.receiver.deliverTo"
)

func verificationCases() map[string]validationCase {
	algorithms := func(names ...any) map[string]any { return map[string]any{"algorithms": names} }
	keys := func(n int) []any {
		list := make([]any, n)
		for i := range list {
			list[i] = fmt.Sprintf("%043d", i)
		}
		return list
	}
	withKeys := func(n int, names ...any) map[string]any {
		return map[string]any{"algorithms": names, "ed25519PublicKeys": keys(n)}
	}
	return map[string]validationCase{
		"verification is not empty":                 {receiver, verification, map[string]any{}, "verification in body should have at least 1 properties"},
		"verification may allow SHA-256 alone":      {receiver, verification, algorithms("SHA256"), ""},
		"verification may allow both digests":       {receiver, verification, algorithms("SHA1", "SHA256"), ""},
		"algorithms are not empty":                  {receiver, verification, map[string]any{"algorithms": []any{}}, "algorithms in body should have at least 1 items"},
		"algorithms are a set":                      {receiver, verification, algorithms("SHA1", "SHA1"), `Duplicate value: "SHA1"`},
		"algorithms are spelled as documented":      {receiver, verification, algorithms("sha256"), `Unsupported value: "sha256": supported values: "SHA1", "SHA256", "Ed25519"`},
		"Ed25519 needs a public key":                {receiver, verification, algorithms("Ed25519"), wantKeysForEd25519},
		"Ed25519 among others needs one too":        {receiver, verification, algorithms("SHA256", "Ed25519"), wantKeysForEd25519},
		"Ed25519 may be allowed with a public key":  {receiver, verification, withKeys(1, "Ed25519"), ""},
		"all three may be allowed":                  {receiver, verification, withKeys(1, "SHA1", "SHA256", "Ed25519"), ""},
		"a public key may be there for later":       {receiver, verification, withKeys(1, "SHA256"), ""},
		"a public key may be there alone":           {receiver, verification, map[string]any{"ed25519PublicKeys": keys(1)}, ""},
		"public keys may be four":                   {receiver, verification, map[string]any{"ed25519PublicKeys": keys(4)}, ""},
		"public keys are not five":                  {receiver, verification, map[string]any{"ed25519PublicKeys": keys(5)}, "ed25519PublicKeys: Too many: 5: must have at most 4 items"},
		"public keys are not empty":                 {receiver, verification, map[string]any{"ed25519PublicKeys": []any{}}, "ed25519PublicKeys in body should have at least 1 items"},
		"public keys are a set":                     {receiver, verification, map[string]any{"ed25519PublicKeys": append(keys(1), keys(1)...)}, "Duplicate value"},
		"a public key is not 42 bytes":              {receiver, verification, map[string]any{"ed25519PublicKeys": []any{text(42)}}, "should be at least 43 chars long"},
		"a public key may be PEM":                   {receiver, verification, map[string]any{"ed25519PublicKeys": []any{"-----BEGIN PUBLIC KEY-----\n" + text(60) + "\n-----END PUBLIC KEY-----\n"}}, ""},
		"a public key is not 513 bytes":             {receiver, verification, map[string]any{"ed25519PublicKeys": []any{text(513)}}, "Too long: may not be more than 512"},
		"a signature's age may be 10 minutes":       {receiver, verification + ".maxAge", "10m", ""},
		"a signature's age may be a day":            {receiver, verification + ".maxAge", "24h", ""},
		"a signature's age may be in three units":   {receiver, verification + ".maxAge", "1h30m15s", ""},
		"a signature's age is not below 10 minutes": {receiver, verification + ".maxAge", "9m59s", wantSignatureAge},
		"a signature's age is not above a day":      {receiver, verification + ".maxAge", "24h1s", wantSignatureAge},
	}
}

// Which API keys' signatures count is said by their ids.
func apiKeyCases() map[string]validationCase {
	const field = verification + ".apiKeys"
	ids := func(n int) []any {
		list := make([]any, n)
		for i := range list {
			list[i] = fmt.Sprint(123456789012345 + i)
		}
		return list
	}
	return map[string]validationCase{
		"API keys may be one":             {receiver, field, ids(1), ""},
		"API keys may be eight":           {receiver, field, ids(8), ""},
		"API keys are not nine":           {receiver, field, ids(9), "apiKeys: Too many: 9: must have at most 8 items"},
		"API keys are not empty":          {receiver, field, []any{}, "apiKeys in body should have at least 1 items"},
		"API keys are a set":              {receiver, field, append(ids(1), ids(1)...), `Duplicate value: "123456789012345"`},
		"an API key is a text":            {receiver, field, []any{int64(123456789012345)}, "must be of type string"},
		"an API key is not empty":         {receiver, field, []any{""}, "should be at least 1 chars long"},
		"an API key may have 128 bytes":   {receiver, field, []any{text(128)}, ""},
		"an API key has no 129 bytes":     {receiver, field, []any{text(129)}, "Too long: may not be more than 128"},
		"an API key comes without space":  {receiver, field, []any{" 123456789012345"}, wantAPIKeys},
		"an API key ends with no newline": {receiver, field, []any{"123456789012345\n"}, wantAPIKeys},
		"an API key comes without secret": {receiver, field, []any{"123456789012345:abcdef"}, wantAPIKeys},
		"an API key is plain ASCII":       {receiver, field, []any{"１２３"}, wantAPIKeys},
	}
}

// Durations have one form, of which each field bounds the length.
func durationCases() map[string]validationCase {
	const field = "spec.receiver.retry.maxAge"
	return map[string]validationCase{
		"retry is not empty":                   {receiver, "spec.receiver.retry", map[string]any{}, "retry in body should have at least 1 properties"},
		"a retry may end after a minute":       {receiver, field, "1m", ""},
		"a retry may end after 60 seconds":     {receiver, field, "60s", ""},
		"a retry may end after 30 days":        {receiver, field, "720h", ""},
		"a retry does not end before a minute": {receiver, field, "59s", wantRetryAge},
		"a retry ends within 30 days":          {receiver, field, "720h1s", wantRetryAge},
		"a retry does not end at once":         {receiver, field, "0s", wantRetryAge},
		"a duration has a unit":                {receiver, field, "7200", wantDuration},
		"a duration has no days":               {receiver, field, "3d", wantDuration},
		"a duration has no fraction":           {receiver, field, "1.5h", wantDuration},
		"a duration has no sign":               {receiver, field, "-5m", wantDuration},
		"a duration has no milliseconds":       {receiver, field, "90000ms", wantDuration},
		"a duration has no space":              {receiver, field, "2 h", wantDuration},
		"a duration has no upper-case unit":    {receiver, field, "2H", wantDuration},
		"a duration does not overflow":         {receiver, field, "999999999h", wantDuration},
		"a duration has three parts at most":   {receiver, field, "1h1m1s1s", wantDuration},
		"a duration is no number":              {receiver, field, int64(7200), "retry.maxAge"},
	}
}

// target is a delivery target with changes to its fields.
func target(changes ...any) map[string]any {
	return changed(map[string]any{
		"name": "catalog", "service": map[string]any{"name": "catalog", "port": int64(80)},
	}, changes)
}

func targets(n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = target("name", fmt.Sprintf("catalog-%d", i), "eventTypes", eventTypes(64))
	}
	return list
}

func targetCases() map[string]validationCase {
	event := map[string]any{}
	one := func(changes ...any) []any { return []any{target(changes...)} }
	return map[string]validationCase{
		"deliverTo is not empty":                {receiver, deliverTo, []any{}, "deliverTo in body should have at least 1 items"},
		"deliverTo may have 16 large targets":   {receiver, deliverTo, targets(16), ""},
		"deliverTo does not have 17":            {receiver, deliverTo, targets(17), "deliverTo: Too many: 17: must have at most 16 items"},
		"targets differ in their name":          {receiver, deliverTo, append(one(), one()...), "spec.receiver.deliverTo[1]: Duplicate value"},
		"a target may be a Service":             {receiver, deliverTo, one(), ""},
		"a target may be Events":                {receiver, deliverTo, one("service", absent, "event", event), ""},
		"a target is something":                 {receiver, deliverTo, one("service", absent), wantOneTarget},
		"a target is not both":                  {receiver, deliverTo, one("event", event), wantOneTarget},
		"Events have no fields":                 {receiver, deliverTo, one("service", absent, "event", map[string]any{"reason": "x"}), `unknown field "spec.receiver.deliverTo[0].event.reason"`},
		"a target needs a name":                 {receiver, deliverTo, one("name", absent), "deliverTo[0].name: Required value"},
		"a target's name may be 63 bytes":       {receiver, deliverTo, one("name", text(63)), ""},
		"a target's name is not 64 bytes":       {receiver, deliverTo, one("name", text(64)), "name: Too long: may not be more than 63"},
		"a target's name may be one digit":      {receiver, deliverTo, one("name", "7"), ""},
		"a target's name is not upper case":     {receiver, deliverTo, one("name", "Catalog"), wantTargetName},
		"a target's name ends in no hyphen":     {receiver, deliverTo, one("name", "catalog-"), wantTargetName},
		"a target's name begins with no hyphen": {receiver, deliverTo, one("name", "-catalog"), wantTargetName},
		"a target's name has no dot":            {receiver, deliverTo, one("name", "a.b"), wantTargetName},
		"a target's name has no line break":     {receiver, deliverTo, one("name", "catalog\n"), wantTargetName},
		"a target may choose event types":       {receiver, deliverTo, one("eventTypes", []any{"upload", "unknown"}), ""},
		"a target's event types are not empty":  {receiver, deliverTo, one("eventTypes", []any{}), "eventTypes in body should have at least 1 items"},
		"a target's event types are a set":      {receiver, deliverTo, one("eventTypes", []any{"upload", "upload"}), `eventTypes[1]: Duplicate value: "upload"`},
		"a target's event types are Cloudinary's": {
			receiver, deliverTo, one("eventTypes", []any{"Upload"}), wantEventTypeName,
		},
		"a target does not have 65 event types": {receiver, deliverTo, one("eventTypes", eventTypes(65)), "eventTypes: Too many: 65: must have at most 64 items"},
	}
}

func serviceCases() map[string]validationCase {
	one := func(changes ...any) []any {
		service := changed(map[string]any{"name": "catalog", "port": int64(80)}, changes)
		return []any{target("service", service)}
	}
	return map[string]validationCase{
		"a Service needs a name":                      {receiver, deliverTo, one("name", absent), "service.name: Required value"},
		"a Service needs a port":                      {receiver, deliverTo, one("port", absent), "service.port: Required value"},
		"a Service's name may be 63 bytes":            {receiver, deliverTo, one("name", text(63)), ""},
		"a Service's name is not 64 bytes":            {receiver, deliverTo, one("name", text(64)), "service.name: Too long: may not be more than 63"},
		"a Service's name has no dot":                 {receiver, deliverTo, one("name", "catalog.other-namespace"), "service.name in body should match"},
		"a Service's name begins with no digit":       {receiver, deliverTo, one("name", "1catalog"), "service.name in body should match"},
		"a Service's port may be a name":              {receiver, deliverTo, one("port", "http-2"), ""},
		"a Service's port may be a name of 63 bytes":  {receiver, deliverTo, one("port", text(63)), ""},
		"a Service's port is no name of 64 bytes":     {receiver, deliverTo, one("port", text(64)), "service.port: Too long: may not be more than 63"},
		"a Service's port is no number in quotes":     {receiver, deliverTo, one("port", "80"), wantPort},
		"a Service's port is no empty name":           {receiver, deliverTo, one("port", ""), wantPort},
		"a Service's port is no name in capitals":     {receiver, deliverTo, one("port", "HTTP"), wantPort},
		"a Service's port is nothing else":            {receiver, deliverTo, one("port", true), "service.port"},
		"a Service's port may be 65535":               {receiver, deliverTo, one("port", int64(65535)), ""},
		"a Service's port is not 65536":               {receiver, deliverTo, one("port", int64(65536)), wantPort},
		"a Service's port is not 0":                   {receiver, deliverTo, one("port", int64(0)), wantPort},
		"a Service has no namespace":                  {receiver, deliverTo, one("namespace", "other"), `unknown field "spec.receiver.deliverTo[0].service.namespace"`},
		"a path may be /":                             {receiver, deliverTo, one("path", "/"), ""},
		"a path may have a query":                     {receiver, deliverTo, one("path", "/hooks/cloudinary?token=a%20b&x=1"), ""},
		"a path may be 1024 bytes":                    {receiver, deliverTo, one("path", "/"+text(1023)), ""},
		"a path is not 1025 bytes":                    {receiver, deliverTo, one("path", "/"+text(1024)), "service.path: Too long: may not be more than 1024"},
		"a path may begin with two slashes":           {receiver, deliverTo, one("path", "//a@b:c/"), ""},
		"a path may be 1024 percent signs and 25":     {receiver, deliverTo, one("path", "/"+strings.Repeat("%25", 341)), ""},
		"a path is not empty":                         {receiver, deliverTo, one("path", ""), "service.path"},
		"a path begins with a slash":                  {receiver, deliverTo, one("path", "hooks"), wantPath},
		"a path does not change the host":             {receiver, deliverTo, one("path", "@169.254.169.254/"), wantPath},
		"a path does not change the port":             {receiver, deliverTo, one("path", ":8080/"), wantPath},
		"a path has no fragment":                      {receiver, deliverTo, one("path", "/a#b"), wantPath},
		"a path has no space":                         {receiver, deliverTo, one("path", "/a b"), wantPath},
		"a path has no line break":                    {receiver, deliverTo, one("path", "/a\r\nX-Header: b"), wantPath},
		"a path has no line break at the end":         {receiver, deliverTo, one("path", "/a\n"), wantPath},
		"a path has no letter that is not ASCII":      {receiver, deliverTo, one("path", "/\u00fc"), wantPath},
		"a path has no malformed percent-encoding":    {receiver, deliverTo, one("path", "/%zz"), wantPath},
		"a path has no half percent-encoding":         {receiver, deliverTo, one("path", "/a%2"), wantPath},
		"a path has no malformed encoding in a query": {receiver, deliverTo, one("path", "/a?q=%zz"), wantPath},
		"a scheme may be HTTP":                        {receiver, deliverTo, one("scheme", "HTTP"), ""},
		"a scheme may be HTTPS":                       {receiver, deliverTo, one("scheme", "HTTPS"), ""},
		"a scheme is one of two":                      {receiver, deliverTo, one("scheme", "https"), `service.scheme: Unsupported value: "https": supported values: "HTTP", "HTTPS"`},
		"tls needs a scheme":                          {receiver, deliverTo, one("tls", map[string]any{"serverName": "a.example"}), wantHTTPS},
		"tls needs HTTPS":                             {receiver, deliverTo, one("scheme", "HTTP", "tls", map[string]any{"serverName": "a.example"}), wantHTTPS},
		"tls is not empty":                            {receiver, deliverTo, one("scheme", "HTTPS", "tls", map[string]any{}), "service.tls"},
		"tls may have a name":                         {receiver, deliverTo, one("scheme", "HTTPS", "tls", map[string]any{"serverName": "a.example"}), ""},
		"tls has no wildcard":                         {receiver, deliverTo, one("scheme", "HTTPS", "tls", map[string]any{"serverName": "*.example"}), "service.tls.serverName"},
		"tls may have authorities":                    {receiver, deliverTo, one("scheme", "HTTPS", "tls", authorities("kube-root-ca.crt", "ca.crt")), ""},
		"a ConfigMap is no path":                      {receiver, deliverTo, one("scheme", "HTTPS", "tls", authorities("a/b", "ca.crt")), "service.tls.caConfigMapRef.name"},
		"a key is no path":                            {receiver, deliverTo, one("scheme", "HTTPS", "tls", authorities("a", "../b")), "service.tls.caConfigMapRef.key"},
		"a format may be Original":                    {receiver, deliverTo, one("format", "Original"), ""},
		"a format may be CloudEvents":                 {receiver, deliverTo, one("format", "CloudEvents"), ""},
		"a format is one of two":                      {receiver, deliverTo, one("format", "cloudevents"), `service.format: Unsupported value: "cloudevents": supported values: "Original", "CloudEvents"`},
		"a timeout may be a second":                   {receiver, deliverTo, one("timeout", "1s"), ""},
		"a timeout may be a minute":                   {receiver, deliverTo, one("timeout", "1m"), ""},
		"a timeout is not 0":                          {receiver, deliverTo, one("timeout", "0s"), wantTimeout},
		"a timeout is not above a minute":             {receiver, deliverTo, one("timeout", "1m1s"), wantTimeout},
		"a receiver may have all that it can have":    {receiver, "spec.receiver", fullReceiver(), ""},
		"a url has no targets: they are a receiver's": {endpoint, "spec.deliverTo", []any{target()}, `unknown field "spec.deliverTo"`},
	}
}

func authorities(name, key string) map[string]any {
	return map[string]any{"caConfigMapRef": map[string]any{"name": name, "key": key}}
}

const (
	wantPort  = "port must be a number from 1 to 65535, without quotes, or the name of one of the Service's ports"
	wantHTTPS = "tls is for scheme: HTTPS alone: set that, or take tls out"
)

func fullReceiver() map[string]any {
	return map[string]any{
		"baseURL":      "https://hooks.example.com",
		"verification": map[string]any{"maxAge": "2h", "algorithms": []any{"SHA256", "Ed25519"}, "apiKeys": []any{"123456789012345"}, "ed25519PublicKeys": []any{text(43)}},
		"retry":        map[string]any{"maxAge": "72h"},
		"deliverTo": []any{
			target("service", map[string]any{"name": "catalog", "port": int64(80), "path": "/hooks", "format": "CloudEvents", "timeout": "15s"}),
			map[string]any{"name": "secure", "service": map[string]any{
				"name": "catalog", "port": "https", "scheme": "HTTPS",
				"tls": map[string]any{"caConfigMapRef": map[string]any{"name": "cloudinary-target-ca", "key": "ca.crt"}, "serverName": "catalog.example.com"},
			}},
			map[string]any{"name": "describe", "event": map[string]any{}, "eventTypes": []any{"upload"}},
		},
	}
}

func receiverStatusCases() map[string]validationCase {
	const at = "2026-01-02T03:04:05Z"
	notification := func(changes ...any) map[string]any {
		return changed(map[string]any{
			"eventType": "upload", "receivedAt": at, "summary": "uploaded image sample",
			"deliveries": []any{map[string]any{"target": "catalog", "state": "Retrying", "attempts": int64(3), "message": "HTTP status 503"}},
		}, changes)
	}
	status := func(changes ...any) map[string]any {
		return changed(map[string]any{
			"received": int64(7), "duplicates": int64(0), "lastHandledRedrive": "1", "lastNotification": notification(),
			"rejected": []any{map[string]any{"reason": "bad_signature", "count": int64(2), "lastAt": at}},
			"targets": []any{map[string]any{
				"name": "catalog", "delivered": int64(5), "waiting": int64(2), "retrying": int64(1), "deadLetters": int64(0), "discarded": int64(0),
				"lastDeliveredAt": at, "lastFailure": map[string]any{"at": at, "statusCode": int64(503), "message": "HTTP status 503"},
			}},
		}, changes)
	}
	return map[string]validationCase{
		"a receiver's status is kept whole":        {endpoint, "status.receiver", status(), ""},
		"a receiver's status is not empty":         {endpoint, "status.receiver", map[string]any{}, "receiver in body should have at least 1 properties"},
		"a receiver has not received less than 0":  {endpoint, "status.receiver", status("received", int64(-1)), "receiver.received in body should be greater than or equal to 0"},
		"rejections differ in their reason":        {endpoint, "status.receiver", status("rejected", repeat(2, map[string]any{"reason": "stale", "count": int64(1), "lastAt": at})), "Duplicate value"},
		"targets of a status differ in their name": {endpoint, "status.receiver", status("targets", repeat(2, map[string]any{"name": "catalog"})), "Duplicate value"},
		"a trigger's last notification is kept":    {trigger, "status.lastNotification", notification(), ""},
		"a last notification has a type":           {trigger, "status.lastNotification", notification("eventType", absent), "lastNotification.eventType: Required value"},
		"a summary may be 1024 characters":         {trigger, "status.lastNotification", notification("summary", text(1024)), ""},
		"a summary is not 1025 characters":         {trigger, "status.lastNotification", notification("summary", text(1025)), "summary: Too long: may not be more than 1024"},
		"a delivery's state is one of five": {
			trigger, "status.lastNotification", notification("deliveries", []any{map[string]any{"target": "a", "state": "Lost"}}), `Unsupported value: "Lost"`,
		},
		"a delivery's failure needs no status code": {
			endpoint, "status.receiver", map[string]any{"targets": []any{map[string]any{"name": "a", "lastFailure": map[string]any{"at": at, "message": "refused"}}}}, "",
		},
	}
}
