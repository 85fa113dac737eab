"""A supermarket with member cards: a year of baskets, campaigns and coupons."""
