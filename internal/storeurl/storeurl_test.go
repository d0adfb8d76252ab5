package storeurl

import "testing"

func TestSplit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		url, kind, rest string
		hasPath         bool
	}{
		{"clients", "dir", "clients", true},
		{"dir:clients", "dir", "clients", true},
		{"dir:", "dir", "", true},
		{"bolt:a:b", "bolt", "a:b", true},
		{"file:clients.json", "file", "clients.json", true},
		{"env:CLIENTS", "env", "CLIENTS", false},
		{"mem:", "mem", "", false},
		{"etcd://host", "etcd", "//host", false},
		{"./dir:x", "dir", "./dir:x", true},
		{"a.b:x", "dir", "a.b:x", true},
		{`C:\clients`, "dir", `C:\clients`, true},
		{":x", "dir", ":x", true},
		{"", "dir", "", true},
	} {
		kind, rest := Split(tt.url)
		if kind != tt.kind || rest != tt.rest || HasPath(kind) != tt.hasPath {
			t.Errorf("%q: %q, %q, %v", tt.url, kind, rest, HasPath(kind))
		}
	}
}
