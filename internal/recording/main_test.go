package main

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLines(t *testing.T) {
	t.Parallel()
	long := "   > refused: " + strings.Repeat("x", columns-14)
	got := lines("1. Start a service,\n   and wait.\n   $ serve <&>\n   > listening on tcp://127.0.0.1:5\n\n2. Connect.\n" + long + " 127.0.0.1:7 127.0.0.1:5\n   " + strings.Repeat("y", 2*columns) + "\n\n")
	want := []string{
		"text|1. Start a service,", "text|   and wait.", "command|   $ serve <&>", "yes|   > listening on tcp://127.0.0.1:40001", "text|",
		"text|2. Connect.", "no|" + long, "no|     127.0.0.1:40002 127.0.0.1:40001", "text|   " + strings.Repeat("y", 2*columns),
	}
	var all []string
	at := 0.0
	for _, row := range got {
		all = append(all, row.class+"|"+row.text)
		if row.at < at {
			t.Errorf("%q appears after %v s, before the line above", row.text, row.at)
		}
		at = row.at
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	var svg struct {
		Text []string `xml:"text"`
	}
	if err := xml.Unmarshal([]byte(render("a <b> & \"c\"\n\n   $ d\n")), &svg); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`a <b> & "c"`, "   $ d"}, svg.Text); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}
