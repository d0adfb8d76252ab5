package main

import (
	"image"
	"image/color"
	"testing"
)

// TestWithFewColors: a picture with many colors keeps a hue that only one pixel has, and no color
// changes much.
func TestWithFewColors(t *testing.T) {
	t.Parallel()
	picture := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for y := range 64 {
		for x := range 64 {
			picture.Set(x, y, color.RGBA{uint8(x), uint8(y), 0, 255})
		}
	}
	amber := color.RGBA{243, 195, 119, 255}
	picture.Set(9, 9, amber)
	small := withFewColors(picture)
	if n := len(small.(*image.Paletted).Palette); n > 256 {
		t.Errorf("%d colors", n)
	}
	if got := color.RGBAModel.Convert(small.At(9, 9)); got != amber {
		t.Errorf("the rare color is %v", got)
	}
	for y := range 64 {
		for x := range 64 {
			r, g, _, _ := small.At(x, y).RGBA()
			if dx, dy := int(r>>8)-x, int(g>>8)-y; (x != 9 || y != 9) && dx*dx+dy*dy > 32*32 {
				t.Errorf("%d,%d became %d,%d", x, y, r>>8, g>>8)
			}
		}
	}
}
