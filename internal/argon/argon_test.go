package argon

import "testing"

func TestParse(t *testing.T) {
	t.Parallel()
	for _, separator := range []string{" ", ","} {
		if p, ok := Parse(Recommended.Text(separator), separator); !ok || p != Recommended {
			t.Errorf("got %v, %v", p, ok)
		}
	}
	for _, text := range []string{"", "m=8 t=1", "m=08 t=1 p=1", "m=8 t=1 p=1 ", "m=8 t=1 p=256", "m=4294967296 t=1 p=1", "m=-8 t=1 p=1", "m=8,t=1,p=1", "t=1 m=8 p=1"} {
		if p, ok := Parse(text, " "); ok {
			t.Errorf("%q: got %v", text, p)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		p                     Parameters
		sound, lock, password bool
	}{
		{Recommended, true, true, true},
		{Parameters{8, 1, 1}, true, true, true},
		{Parameters{7, 1, 1}, false, true, true},
		{Parameters{8, 0, 1}, false, true, true},
		{Parameters{8, 1, 0}, false, true, true},
		{Parameters{1 << 20, 4, 4}, true, true, true},
		{Parameters{1 << 20, 5, 4}, true, false, true},
		{Parameters{1 << 20, 16, 4}, true, false, true},
		{Parameters{1<<20 + 1, 1, 4}, true, false, false},
		{Parameters{1 << 10, 17, 4}, true, true, false},
		{Parameters{1 << 10, 1, 17}, true, true, false},
		{Parameters{1 << 10, 1, 65}, true, false, false},
		{Parameters{1 << 20, 1<<32 - 1, 1}, true, false, false},
	} {
		if sound, lock, password := tt.p.IsSound(), tt.p.IsWithin(Locks), tt.p.IsWithin(Passwords); sound != tt.sound || lock != tt.lock || password != tt.password {
			t.Errorf("%v: got %v, %v, %v", tt.p, sound, lock, password)
		}
	}
}
