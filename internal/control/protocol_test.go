package control_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/control"
)

// malformed are requests that are errors, and why.
var malformed = map[string]string{
	"":                                  "EOF",
	"\x00":                              "invalid character",
	"\xff":                              "not UTF-8",
	"null":                              "version 0",
	"[]":                                "cannot unmarshal array",
	`"status"`:                          "cannot unmarshal string",
	"{}":                                "version 0",
	`{"version":1}`:                     `unknown command ""`,
	`{"version":2,"command":"status"}`:  "version 2: must be 1",
	`{"version":"1","command":"x"}`:     "cannot unmarshal string",
	`{"version":1,"command":"stop"}`:    `unknown command "stop"`,
	`{"version":1,"command":"status"`:   "unexpected EOF",
	`{"version":1,"command":"status"}}`: "more than one JSON object",
	`{"version":1,"command":"status"}{"version":1,"command":"status"}`:                                          "more than one JSON object",
	`{"version":1,"command":"status","verbose":true}`:                                                           "unknown field",
	`{"version":1,"command":"clients","limit":-1}`:                                                              "limit -1: must be between 1 and 1000",
	`{"version":1,"command":"clients","limit":1001}`:                                                            "limit 1001",
	`{"version":1,"command":"clients","limit":1e99}`:                                                            "cannot unmarshal number",
	`{"version":1,"command":"clients","sort":"key"}`:                                                            `sort "key": must be name, admitted or refused`,
	`{"version":1,"command":"admit","client":"x"}`:                                                              "admit requires client and name",
	`{"version":1,"command":"admit","name":"x"}`:                                                                "admit requires client and name",
	`{"version":1,"command":"admit","client":"x","name":["y"]}`:                                                 "cannot unmarshal array",
	`{"version":1,"command":"deny"}`:                                                                            "deny requires client",
	`{"version":1,"command":"audit"}`:                                                                           `state "": must be on or off`,
	`{"version":1,"command":"audit","state":"none"}`:                                                            `state "none"`,
	`{"version":1,"command":"deny","client":"` + strings.Repeat("x", 1001) + `"}`:                               "a text of 1001 bytes",
	`{"version":1,"command":"admit","client":"x","name":"y","groups":["` + strings.Repeat("x", 1001) + `"]}`:    "a text of 1001 bytes",
	`{"version":1,"command":"admit","client":"x","name":"y","groups":["x"` + strings.Repeat(`,"x"`, 100) + `]}`: "101 groups",
	strings.Repeat("[", 16_000):                                                                                 "exceeded max depth",
	`{"version":1,"command":"status","search":` + strings.Repeat("[", 15_000) + `}`:                             "exceeded max depth",
}

// TestMalformed: each malformed request is an error that says why.
func TestMalformed(t *testing.T) {
	t.Parallel()
	for text, why := range malformed {
		_, err := control.ParseRequest([]byte(text))
		var failed *control.Error
		if !errors.As(err, &failed) || failed.Code != control.CodeMalformed || !strings.Contains(failed.Text, why) {
			t.Errorf("%.100q: %v, want %q", text, err, why)
		}
	}
}

// TestDefaults: what a request leaves out has a default.
func TestDefaults(t *testing.T) {
	t.Parallel()
	req, err := control.ParseRequest([]byte(`{"version":1,"command":"clients"}`))
	if err != nil || req.Limit != 100 || req.Sort != "name" {
		t.Errorf("%+v, %v", req, err)
	}
}

// FuzzRequest: a request is valid or an *Error, and a valid one stays the same when it is
// written and parsed again.
func FuzzRequest(f *testing.F) {
	for text := range malformed {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"version":1,"command":"admit","client":"x","name":"y","groups":["a","b"]}`))
	f.Add([]byte(`{"version":1,"command":"clients","search":"10.","sort":"refused","limit":3}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		req, err := control.ParseRequest(text)
		if err != nil {
			if !errors.As(err, new(*control.Error)) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		again, err := json.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		second, err := control.ParseRequest(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if third, _ := json.Marshal(second); string(third) != string(again) {
			t.Errorf("%s became %s", again, third)
		}
	})
}
