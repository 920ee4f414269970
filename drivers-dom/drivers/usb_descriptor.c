/* SPDX-License-Identifier: MIT
 * Descriptors of a configuration (USB 2.0, 9.6): one behind the other, each with its length first. All of it is a
 * device's word. */
#include "usb.h"

#define CONFIGURATION_SIZE 9u
#define INTERFACE_SIZE 9u
#define ENDPOINT_SIZE 7u
#define ENDPOINT_IN 0x80u
#define ENDPOINT_TYPE 3u
#define ENDPOINT_INTERRUPT 3u
#define PACKET_SIZE 0x7ffu

static void take_interface(const uint8_t *bytes, uint8_t configuration, struct usb_interface *interface)
{
    *interface = (struct usb_interface){.number = bytes[2], .configuration = configuration};
    interface->class = bytes[5];
    interface->subclass = bytes[6];
    interface->protocol = bytes[7];
}

/* True: an interrupt endpoint towards us that makes sense. */
static bool take_endpoint(const uint8_t *bytes, struct usb_interface *interface)
{
    uint32_t packet = ((uint32_t)bytes[4] | (uint32_t)bytes[5] << 8) & PACKET_SIZE;
    if ((bytes[2] & ENDPOINT_IN) == 0 || (bytes[2] & 0xf) == 0 || (bytes[3] & ENDPOINT_TYPE) != ENDPOINT_INTERRUPT ||
        packet == 0 || packet > USB_REPORT_MAX) {
        return false;
    }
    interface->endpoint = bytes[2] & 0xf;
    interface->packet = (uint16_t)packet;
    interface->interval = bytes[6];
    return true;
}

bool usb_find_interface(const uint8_t *bytes, uint32_t size, bool (*wanted)(const struct usb_interface *interface),
                        struct usb_interface *found)
{
    if (size < CONFIGURATION_SIZE || bytes[1] != USB_DESCRIPTOR_CONFIGURATION || bytes[5] == 0) {
        return false;
    }
    struct usb_interface now;
    bool inside = false; /* an interface that is wanted */
    for (uint32_t at = bytes[0]; at + 2 <= size && bytes[at] >= 2 && bytes[at] <= size - at; at += bytes[at]) {
        const uint8_t *descriptor = bytes + at;
        if (descriptor[1] == USB_DESCRIPTOR_INTERFACE && descriptor[0] >= INTERFACE_SIZE) {
            take_interface(descriptor, bytes[5], &now);
            inside = descriptor[3] == 0 && wanted(&now);
        } else if (inside && descriptor[1] == USB_DESCRIPTOR_ENDPOINT && descriptor[0] >= ENDPOINT_SIZE &&
                   take_endpoint(descriptor, &now)) {
            *found = now;
            return true;
        }
    }
    return false;
}
